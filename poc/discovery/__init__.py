"""How a person finds a feature: Feast's web page over the registry, and a page of the docs made from it."""
