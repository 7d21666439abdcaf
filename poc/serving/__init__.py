"""Fraud predictions over HTTP: one app over any feature source."""
