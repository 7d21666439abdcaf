"""How the whole is doing: its state as metrics, drift of the data, skew between offline and online."""
