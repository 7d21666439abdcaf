"""To be dissolved: the names that rooms used before poc.online_store.connection was the one connection."""

from poc.feature_store import cassandra_connection as configured_endpoint
from poc.online_store.connection import ConnectionSettings as Endpoint

__all__ = ["Endpoint", "configured_endpoint"]
