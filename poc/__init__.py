"""Fraud predictions served from Feast on Apache Cassandra, and beside it from direct reads."""
