"""The features of transactions, read through Feast or from the direct table, in one shape."""
