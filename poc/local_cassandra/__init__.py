"""A Cassandra on this machine for development: find the one that runs, or start one."""
