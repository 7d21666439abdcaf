"""What a cluster tells of itself: how many partitions a table has, and what only each node knows.

One COUNT(*) reads everything, and Cassandra's own estimates are minutes old and count what lies in several
files several times. But keys are spread evenly over the ring by their tokens: how far a thousand of them
reach tells how many there are.
"""

import logging
from itertools import pairwise
from typing import Any

from cassandra import ConsistencyLevel, RequestValidationException
from cassandra.cluster import ResponseFuture, Session
from cassandra.concurrent import execute_concurrent
from cassandra.policies import HostDistance

from poc.online_store.naming import quoted
from poc.online_store.session import idempotent

log = logging.getLogger(__name__)

SAMPLE = 1000
# A statement counts about so many.
COUNTED_TOGETHER = 20_000
COUNTED_AT_ONCE = 4
# The Murmur3 partitioner's tokens are the signed 64-bit integers.
_FIRST_TOKEN, _TOKENS = -(2**63), 2**64


def count_partitions(session: Session, keyspace: str, table: str) -> int | None:
    """Count the partitions of `table`. None where there is no such table.

    A table of one row a partition is counted by Cassandra itself, a part of the ring at a time, so that no
    statement takes long; of another the keys are read, a page at a time.
    """
    key, has_rows = _keys(session, keyspace, table)
    if key is None:
        return None
    qualified = f"{quoted(keyspace)}.{quoted(table)}"
    if has_rows:
        return sum(1 for _ in session.execute(idempotent(f"SELECT DISTINCT {key} FROM {qualified}")))
    parts = (estimate_partitions(session, keyspace, table) or 0) // COUNTED_TOGETHER + 1
    bounds = [_FIRST_TOKEN + _TOKENS * part // parts for part in range(parts + 1)]
    cql = f"SELECT COUNT(*) FROM {qualified} WHERE token({key}) > {{}} AND token({key}) <= {{}}"
    # The greatest token is one less than the end of the ring.
    ranges = ((low, min(high, 2**63 - 1)) for low, high in pairwise(bounds))
    asked = [(idempotent(cql.format(*part)), ()) for part in ranges]
    answers = execute_concurrent(session, asked, concurrency=COUNTED_AT_ONCE)
    return sum(int(answer.result_or_exc.one()[0]) for answer in answers)


def estimate_partitions(session: Session, keyspace: str, table: str) -> int | None:
    """Estimate how many partitions `table` has: exactly below 1,000, else off by 3 % (one standard error).

    None where there is no such table.
    """
    key, _ = _keys(session, keyspace, table)
    if key is None:
        return None
    qualified = f"{quoted(keyspace)}.{quoted(table)}"
    sample = idempotent(f"SELECT DISTINCT {key}, token({key}) FROM {qualified} LIMIT {SAMPLE}")
    # For an estimate one replica is enough, and one that is lost must not stand in its way:
    # the near one, at the level that no cluster refuses to whoever connects.
    sample.consistency_level = ConsistencyLevel.ONE
    return partitions_from([row[-1] for row in session.execute(sample)])


def partitions_from(tokens: list[int]) -> int:
    """Estimate how many there are by the first `SAMPLE` tokens on the ring; fewer are all."""
    if len(tokens) < SAMPLE:
        return len(tokens)
    share = (tokens[-1] - _FIRST_TOKEN) / _TOKENS
    # The last one marks the end of the share that the others lie in.
    return round((len(tokens) - 1) / share)


def _keys(session: Session, keyspace: str, table: str) -> tuple[str | None, bool]:
    """Return the partition key, None where there is no such table; and whether a partition has rows."""
    # Not the driver's own metadata, which learns of a table that another session made a moment later.
    columns = idempotent(
        "SELECT column_name, kind, position FROM system_schema.columns"
        " WHERE keyspace_name = %s AND table_name = %s"
    )
    found = session.execute(columns, (keyspace, table)).all()
    key = sorted((column.position, column.column_name) for column in found if column.kind == "partition_key")
    names = ", ".join(quoted(name) for _, name in key)
    return names if key else None, any(column.kind == "clustering" for column in found)


def ask_nodes(session: Session, cql: str, timeout_seconds: float) -> dict[str, list[Any] | None]:
    """Ask every node at once; return its rows by its address, None for one that does not answer.

    One that refuses to tell has no rows: the user may not read that, or an older Cassandra does not know it.
    A node of another data centre is not connected to, and so is not asked.
    """
    asked = {
        host.address: None
        if host.is_up is False
        else session.execute_async(idempotent(cql), host=host, timeout=timeout_seconds)
        for host in session.cluster.metadata.all_hosts()
        if session.cluster.profile_manager.distance(host) != HostDistance.IGNORED
    }
    return {address: _answer(address, future) for address, future in asked.items()}


def _answer(address: str, future: ResponseFuture | None) -> list[Any] | None:
    try:
        return None if future is None else list(future.result().all())
    except RequestValidationException as error:
        log.info("Node %s does not tell: %s", address, error)
        return []
    except Exception as error:  # Whatever keeps one node from answering, the others are still told of.
        log.warning("Node %s does not answer: %s", address, error)
        return None
