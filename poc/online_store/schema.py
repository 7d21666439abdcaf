"""Bring Cassandra's tables to what the feature views declare.

A removed feature's column stays, unread. Dropping it would make the name useless: Cassandra hides
everything written before the moment of the drop from a column that is added again, and rows are
written at their event time, which lies before it. For the same reason a type cannot be changed by
dropping and adding, and is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cassandra import AlreadyExists, InvalidRequest, OperationTimedOut
from cassandra.cluster import Session

from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import DataCentreUnknown, KeyChanged, NotApplied, ReplicationDiffers, TypeChanged
from poc.online_store.layout import RowLayout
from poc.online_store.naming import quoted
from poc.online_store.session import SCHEMA, idempotent, local_data_centre


@dataclass(frozen=True, slots=True)
class StoredTable:
    """A table as it is in Cassandra: every column's type, and which are the partition key."""

    columns: Mapping[str, str]
    keys: frozenset[str]


def changes(stored: StoredTable | None, layout: RowLayout) -> list[str]:
    """List the statements that bring `stored` to `layout`; none where it is there already.

    Raises KeyChanged, TypeChanged: the partition key is another, a column has another type.
    """
    if stored is None:
        return [layout.create()]
    declared = layout.columns()
    keys = frozenset(column.name for column in layout.keys)
    if keys != stored.keys:
        raise KeyChanged(layout.view, layout.qualified, sorted(stored.keys), sorted(keys))
    for name, cql in declared.items():
        if name in stored.columns and stored.columns[name] != cql:
            raise TypeChanged(layout.view, layout.qualified, name, stored.columns[name], cql)
    added = [f"{quoted(name)} {cql}" for name, cql in declared.items() if name not in stored.columns]
    return [f"ALTER TABLE {layout.qualified} ADD ({', '.join(added)})"] if added else []


def apply_layout(session: Session, layout: RowLayout) -> None:
    """Create the table, or add its columns, as `changes` says. Twice, or two at once, does no harm."""
    for statement in changes(stored_table(session, layout), layout):
        try:
            session.execute(statement, execution_profile=SCHEMA)
        except (InvalidRequest, AlreadyExists, OperationTimedOut):
            # Somebody else may have been quicker, or it was done unheard: then nothing is left to change.
            if changes(stored_table(session, layout), layout):
                raise


def extend_layout(session: Session, layout: RowLayout) -> None:
    """Add the new columns, and create no table: NotApplied where it is missing. Else see `changes`."""
    if stored_table(session, layout) is None:
        raise NotApplied(layout.qualified, "it is not there")
    apply_layout(session, layout)


def drop_table(session: Session, keyspace: str, table: str) -> None:
    """Drop a table with all its values. Where it is not there, no schema change is asked for."""
    if has_table(session, keyspace, table):
        session.execute(f"DROP TABLE IF EXISTS {quoted(keyspace)}.{quoted(table)}", execution_profile=SCHEMA)


def stored_table(session: Session, layout: RowLayout) -> StoredTable | None:
    """Read what Cassandra has; None where there is no such table."""
    rows = _read(session, "column_name, type, kind FROM system_schema.columns", layout.keyspace, layout.table)
    if not rows:
        return None
    keys = frozenset(name for name, _, kind in rows if kind == "partition_key")
    return StoredTable({name: cql for name, cql, _ in rows}, keys)


def stored_columns(session: Session, keyspace: str, table: str) -> frozenset[str]:
    """Name the columns of a table; none where there is no such table."""
    rows = _read(session, "column_name FROM system_schema.columns", keyspace, table)
    return frozenset(name for (name,) in rows)


def ensure_keyspace(session: Session, settings: ConnectionSettings, keyspace: str | None = None) -> bool:
    """Create a keyspace if it is missing; one that is there is used as it is. Return whether it was made.

    Args:
        settings: the copies that are stated, if any: 1 in the local data centre where none are.
        keyspace: its name; that of the online store for None.

    Raises:
        DataCentreUnknown: the copies are stated for one that the cluster does not have.
        ReplicationDiffers: it has other copies than are stated. To change them is an operator's decision.
    """
    name = settings.keyspace if keyspace is None else keyspace
    found = _read(session, "replication FROM system_schema.keyspaces", name)
    if found:
        _compare_replication(settings, name, dict(found[0][0]))
        return False
    copies = ", ".join(f"'{place}': {count}" for place, count in _copies(session, settings).items())
    session.execute(
        f"CREATE KEYSPACE IF NOT EXISTS {quoted(name)}"
        f" WITH replication = {{'class': 'NetworkTopologyStrategy', {copies}}}",
        execution_profile=SCHEMA,
    )
    return True


def has_table(session: Session, keyspace: str, table: str) -> bool:
    """Tell whether there is such a table, and keyspace."""
    return bool(_read(session, "table_name FROM system_schema.tables", keyspace, table))


def make_table(session: Session, keyspace: str, table: str, definition: str) -> None:
    """Make a table where it is not there: what stands after its name in CREATE TABLE is `definition`.

    Where it is there, no schema change is asked for, which a cluster with a lost node is slow to agree on.
    """
    if not has_table(session, keyspace, table):
        session.execute(
            f"CREATE TABLE IF NOT EXISTS {quoted(keyspace)}.{quoted(table)} {definition}",
            execution_profile=SCHEMA,
        )


def take_options_over(session: Session, keyspace: str, table: str, new: str, merged: bool) -> None:
    """Give the table `new`, whose files are `merged` or not, the options that somebody gave `table`."""
    # A node that hears of a change late may answer, and alter, by what was before: it is looked at again.
    for _ in range(3):
        changed = _differing_options(session, keyspace, table, new, merged)
        if not changed:
            return
        alter = f"ALTER TABLE {quoted(keyspace)}.{quoted(new)} WITH {' AND '.join(changed)}"
        session.execute(alter, execution_profile=SCHEMA)


def _differing_options(session: Session, keyspace: str, table: str, new: str, merged: bool) -> list[str]:
    # How a reader and a repair treat it belongs to the table; the rest, as its comment, is ours.
    options = (
        "compaction, compression, caching, gc_grace_seconds, default_time_to_live, bloom_filter_fp_chance,"
        " speculative_retry, additional_write_policy, crc_check_chance, memtable_flush_period_in_ms"
    )
    found = [_read(session, f"{options} FROM system_schema.tables", keyspace, name) for name in (table, new)]
    if not found[1]:
        return []
    compaction, *wanted = (found[0] or found[1])[0]
    # Never taken over: a switch that came between two nodes must not leave a table unmerged for good.
    own = {name: value for name, value in compaction.items() if name != "enabled"}
    wanted = [own if merged else own | {"enabled": "false"}, *wanted]
    return [
        f"{name} = {_literal(stated)}"
        for name, stated, present in zip(options.split(", "), wanted, found[1][0], strict=True)
        if stated != present
    ]


def _literal(option: Any) -> str:
    if isinstance(option, Mapping):
        return "{" + ", ".join(f"'{name}': '{value}'" for name, value in option.items()) + "}"
    return f"'{option}'" if isinstance(option, str) else repr(option)


def _read(session: Session, what: str, keyspace: str, table: str | None = None) -> list[Any]:
    """SELECT `what` of the schema that is about a keyspace, or a table."""
    condition = "keyspace_name = %s" if table is None else "keyspace_name = %s AND table_name = %s"
    bound = (keyspace,) if table is None else (keyspace, table)
    statement = idempotent(f"SELECT {what} WHERE {condition}")
    rows: list[Any] = session.execute(statement, bound, execution_profile=SCHEMA).all()
    return rows


def _copies(session: Session, settings: ConnectionSettings) -> Mapping[str, int]:
    """Name every data centre: `replication_factor` as a shorthand for all came with Cassandra 4."""
    local = local_data_centre(session)
    hosts = session.cluster.metadata.all_hosts()
    centres = sorted({host.datacenter for host in hosts if host.datacenter} | {local})
    if settings.replication is not None:
        for centre in settings.replication:
            if centre not in centres:
                raise DataCentreUnknown(str(settings), centre, centres, "replication")
        return settings.replication
    if settings.replication_factor is None:
        return {local: 1}
    return dict.fromkeys(centres, settings.replication_factor)


def _compare_replication(settings: ConnectionSettings, keyspace: str, found: Mapping[str, str]) -> None:
    copies = {place: count for place, count in found.items() if place != "class"}
    if settings.replication is not None:
        stated = dict(settings.replication)
        agree = copies == {place: str(count) for place, count in stated.items()}
    elif settings.replication_factor is not None:
        stated = {"replication_factor": settings.replication_factor}
        agree = set(copies.values()) == {str(settings.replication_factor)}
    else:
        return
    if not agree:
        raise ReplicationDiffers(keyspace, found, stated)
