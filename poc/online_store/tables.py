"""In which tables the two Cassandra stores keep a view."""

from typing import TypeAlias

from poc.online_store.naming import stock_table_name, table_name

# Keyspace and name.
Table: TypeAlias = tuple[str, str]


def online_tables(keyspace: str, project: str, view: str) -> dict[str, Table]:
    """Return the tables that may hold `view`, by the type of the online store, as the yaml states it."""
    return {
        "cassandra": (keyspace, stock_table_name(project, view)),
        "poc.online_store.row_store.CassandraRowOnlineStore": (keyspace, table_name(project, view)),
    }
