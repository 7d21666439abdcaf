"""Made of the code and its results, for people: pages of the docs, and Feast's page over a registry."""
