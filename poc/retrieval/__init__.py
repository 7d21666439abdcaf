"""The features of entities as servers read them: by Feast's call, from direct tables, of a feature server."""
