"""Bring Cassandra's tables to what the feature views declare.

A removed feature's column stays, unread. Dropping it would make the name useless: Cassandra hides
everything written before the moment of the drop from a column that is added again, and rows are
written at their event time, which lies before it. For the same reason a type cannot be changed by
dropping and adding, and is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cassandra import AlreadyExists, InvalidRequest
from cassandra.cluster import Session
from cassandra.query import SimpleStatement

from poc.online_store.config import RowStoreSettings
from poc.online_store.errors import KeyChanged, ReplicationDiffers, TypeChanged
from poc.online_store.layout import RowLayout
from poc.online_store.naming import quoted
from poc.online_store.session import SCHEMA


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as it is in Cassandra: every column's type, and which are the partition key."""

    columns: Mapping[str, str]
    keys: frozenset[str]


def changes(stored: StoredTable | None, layout: RowLayout, comment: str) -> list[str]:
    """List the statements that bring `stored` to `layout`; none where it is there already.

    Raises:
        KeyChanged: the partition key is another.
        TypeChanged: a column has another type.
    """
    if stored is None:
        return [layout.create(comment)]
    declared = layout.columns()
    keys = frozenset(column.name for column in layout.keys)
    if keys != stored.keys:
        raise KeyChanged(layout.qualified, sorted(stored.keys), sorted(keys))
    for name, cql in declared.items():
        if name in stored.columns and stored.columns[name] != cql:
            raise TypeChanged(layout.qualified, name, stored.columns[name], cql)
    added = [f"{quoted(name)} {cql}" for name, cql in declared.items() if name not in stored.columns]
    return [f"ALTER TABLE {layout.qualified} ADD ({', '.join(added)})"] if added else []


def apply_layout(session: Session, layout: RowLayout, comment: str) -> None:
    """Create the table, or add its new columns. Doing it twice, or two at once, does no harm.

    Raises:
        KeyChanged, TypeChanged: see `changes`.
    """
    for statement in changes(stored_table(session, layout), layout, comment):
        try:
            session.execute(statement, execution_profile=SCHEMA)
        except (InvalidRequest, AlreadyExists):
            # Somebody else may have been quicker: then nothing is left to change.
            if changes(stored_table(session, layout), layout, comment):
                raise


def drop_layout(session: Session, layout: RowLayout) -> None:
    """Drop the table with all its values, if it is there."""
    session.execute(f"DROP TABLE IF EXISTS {layout.qualified}", execution_profile=SCHEMA)


def stored_table(session: Session, layout: RowLayout) -> StoredTable | None:
    """Read what Cassandra has; None where there is no such table."""
    rows = session.execute(
        SimpleStatement(
            "SELECT column_name, type, kind FROM system_schema.columns"
            " WHERE keyspace_name = %s AND table_name = %s",
            is_idempotent=True,
        ),
        (layout.keyspace, layout.table),
        execution_profile=SCHEMA,
    ).all()
    if not rows:
        return None
    return StoredTable(
        {name: cql for name, cql, _ in rows},
        frozenset(name for name, _, kind in rows if kind == "partition_key"),
    )


def ensure_keyspace(session: Session, config: RowStoreSettings) -> None:
    """Create the keyspace if it is missing; one that is there is left as it is.

    Raises:
        ReplicationDiffers: it has other copies than the settings state. Changing that needs a repair of
            every node, which is an operator's decision.
    """
    found = session.execute(
        SimpleStatement(
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", is_idempotent=True
        ),
        (config.keyspace,),
        execution_profile=SCHEMA,
    ).one()
    if found is not None:
        _compare_replication(config, dict(found[0]))
        return
    stated = ", ".join(f"'{place}': {copies}" for place, copies in _replication(config).items())
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {quoted(config.keyspace)}"
        f" WITH replication = {{'class': 'NetworkTopologyStrategy', {stated}}}",
        execution_profile=SCHEMA,
    )


def _replication(config: RowStoreSettings) -> Mapping[str, int]:
    if config.replication is not None:
        return config.replication
    factor = config.replication_factor
    return {"replication_factor": 1 if factor is None else factor}


def _compare_replication(config: RowStoreSettings, found: Mapping[str, str]) -> None:
    copies = {place: count for place, count in found.items() if place != "class"}
    if config.replication is not None:
        agree = copies == {place: str(count) for place, count in config.replication.items()}
    elif config.replication_factor is not None:
        agree = set(copies.values()) == {str(config.replication_factor)}
    else:
        agree = True
    if not agree:
        raise ReplicationDiffers(config.keyspace, found, _replication(config))
