"""What two ways, a piece or a lost node cost: turns, statistics, provenance, and a module a question."""
