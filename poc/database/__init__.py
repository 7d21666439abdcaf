"""Cassandra: reach one, start one, and the tables that are read without Feast."""
