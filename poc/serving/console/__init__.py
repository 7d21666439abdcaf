"""A page for people: look a transaction up, see what its score rests on, let two ways of reading race."""
