"""How many partitions a table of Cassandra has: exactly, or at the price of reading a thousand keys.

COUNT(*) reads everything, and Cassandra's own estimates are minutes old and count what lies in several files
several times. But keys are spread evenly over the ring by their tokens: how far a thousand of them reach
tells how many there are.
"""

from cassandra import ConsistencyLevel
from cassandra.cluster import Session

from poc.online_store.naming import quoted
from poc.online_store.session import idempotent

SAMPLE = 1000
# The Murmur3 partitioner's tokens are the signed 64-bit integers.
_FIRST_TOKEN, _TOKENS = -(2**63), 2**64


def count_partitions(session: Session, keyspace: str, table: str) -> int | None:
    """Count the partitions of `table`, a page of keys at a time. None where there is no such table."""
    key = _partition_key(session, keyspace, table)
    if key is None:
        return None
    keys = session.execute(idempotent(f"SELECT DISTINCT {key} FROM {quoted(keyspace)}.{quoted(table)}"))
    return sum(1 for _ in keys)


def estimate_partitions(session: Session, keyspace: str, table: str) -> int | None:
    """Estimate how many partitions `table` has: exactly below 1,000, else off by 3 % (one standard error).

    None where there is no such table.
    """
    key = _partition_key(session, keyspace, table)
    if key is None:
        return None
    sample = idempotent(
        f"SELECT DISTINCT {key}, token({key}) FROM {quoted(keyspace)}.{quoted(table)} LIMIT {SAMPLE}"
    )
    # For an estimate one replica is enough, and one that is lost must not stand in its way.
    sample.consistency_level = ConsistencyLevel.LOCAL_ONE
    rows = session.execute(sample).all()
    return partitions_from([row[-1] for row in rows])


def partitions_from(tokens: list[int]) -> int:
    """Estimate how many there are by the first `SAMPLE` tokens on the ring; fewer are all."""
    if len(tokens) < SAMPLE:
        return len(tokens)
    share = (tokens[-1] - _FIRST_TOKEN) / _TOKENS
    # The last one marks the end of the share that the others lie in.
    return round((len(tokens) - 1) / share)


def _partition_key(session: Session, keyspace: str, table: str) -> str | None:
    known = session.cluster.metadata.keyspaces.get(keyspace)
    if known is None or table not in known.tables:
        return None
    return ", ".join(quoted(column.name) for column in known.tables[table].partition_key)
