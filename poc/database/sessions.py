"""To be dissolved: the names that rooms used before poc.online_store.session made every session."""

from poc.online_store.failures import cassandra_failures as driver_errors_as_unavailable
from poc.online_store.schema import make_table
from poc.online_store.session import cassandra_session, idempotent, open_session, reason

__all__ = ["cassandra_session", "driver_errors_as_unavailable", "idempotent", "make_table", "open_session", "reason"]
