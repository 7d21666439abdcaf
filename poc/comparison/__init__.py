"""The two ways of reading measured in one interleaved run: numbers, table, picture, JSON."""
