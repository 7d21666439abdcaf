"""The ways of reading features that are compared: how each reads, and how it is called in the results.

A further way is one more name and one more function that gives a `Method`. When and how often a method
reads is up to `poc.comparison.measure`.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.query import tuple_factory

from poc.errors import UnequalConsistency
from poc.retrieval.source import FeatureSource, Value

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.comparison.acsylla_reads import AcsyllaReads
    from poc.comparison.awaited import AwaitedSource
    from poc.database.direct_table import DirectTable

# Feast's stock Cassandra store reads at the driver's default, cannot be told otherwise, and keeps as
# many statements in flight.
CONSISTENCY = "LOCAL_ONE"
READS_IN_FLIGHT = 100

BASELINE = "direct-cassandra"
# Title and remark by name, in the order of all results.
KNOWN = {
    BASELINE: ("Direct Cassandra", "(!) Manual management"),
    "feast-stock": ("Feast", "✅ Versioning, lineage, consistency"),
    "feast-stock-resolved": ("Feast, resolved", "✅ The same, names looked up once"),
    "feast-rows": ("Feast, row store", "✅ The same, one row an entity"),
    "feast-rows-resolved": ("Feast, row store, resolved", "✅ The same, both"),
    "feast-rows-resolved-acsylla": ("Feast, row store, resolved, acsylla", "✅ The same, C++ driver"),
    "direct-acsylla": ("Direct, acsylla", "(!) Manual management, C++ driver"),
    "feast-server": ("Feast, feature server", "✅ The same, over HTTP, no driver in the client"),
}
# Those that are compared only when they are asked for: a feature server takes seconds to start.
ON_REQUEST = ("feast-server",)
# What all ratios are to, for the record.
BASELINE_READ = (
    "cassandra-driver, one prepared statement an id, rows as tuples (tuple_factory), as poc/serve_model.py"
)

Row = Mapping[str, Value]
Read = Callable[[Sequence[str]], list[Row | None]]


@dataclass(frozen=True, slots=True)
class Method:
    """One way of reading the features of transactions.

    Attributes:
        name: its name in the JSON, for example `feast-stock`.
        title: its name in the table and the picture.
        remark: what it brings beside latency; the guide's column "Features".
        read: gives a row of feature values for each id, in the ids' order; None for an unknown one.
        consistency: level it reads at, by Cassandra's name.
    """

    name: str
    title: str
    remark: str
    read: Read
    consistency: str = CONSISTENCY


def direct_cassandra(session: Session, table: "DirectTable", consistency: str = CONSISTENCY) -> Method:
    """Read the direct table as poc/serve_model.py does: one prepared statement an id, rows as tuples.

    The session is the caller's, from `poc.database.sessions`.

    Raises:
        InvalidRequest: there is no such table, or it lacks a feature.
    """
    names = table.definitions.names
    select = session.prepare(table.select_cql)
    # As the sources have it: what is late is asked of another node, where the yaml says so.
    select.is_idempotent = True
    profile = session.execution_profile_clone_update(
        EXEC_PROFILE_DEFAULT,
        # Named tuples, the driver's default, cost a new class for each answer.
        row_factory=tuple_factory,
        consistency_level=ConsistencyLevel.name_to_value[consistency],
    )

    def read(ids: Sequence[str]) -> list[Row | None]:
        sent = (session.execute_async(select, (item,), execution_profile=profile) for item in ids)
        waiting, rows = deque(islice(sent, READS_IN_FLIGHT)), []
        while waiting:
            # In their order, one more sent for each that is answered: 7 % faster at 100 ids than the
            # driver's execute_concurrent_with_args.
            rows.append(waiting.popleft().result().one())
            waiting.extend(islice(sent, 1))
        # The event time comes after the features and is not one of them.
        return [None if row is None else dict(zip(names, row, strict=False)) for row in rows]

    return _method(BASELINE, read, consistency)


def direct_acsylla(reads: "AcsyllaReads", names: Sequence[str], consistency: str = CONSISTENCY) -> Method:
    """Read the direct table with the C++ driver; the caller closes `reads`."""

    def read(ids: Sequence[str]) -> list[Row | None]:
        return [None if row is None else dict(zip(names, row, strict=False)) for row in reads.rows(ids)]

    return _method("direct-acsylla", read, consistency)


def public_call(
    name: str, store: "FeatureStore", service_name: str, join_key: str, consistency: str = CONSISTENCY
) -> Method:
    """Read through Feast's public call, as the guide does, with the feature service looked up once.

    Feast connects at the first read.

    Raises:
        FeatureServiceNotFoundException: the registry does not know the service.
    """
    service = store.get_feature_service(service_name)

    def read(ids: Sequence[str]) -> list[Row | None]:
        answer = store.get_online_features(
            features=service, entity_rows=[{join_key: item} for item in ids]
        ).to_dict()
        # Feast says of an unknown id only that every value is None. Turning its columns into rows
        # costs some microseconds of its milliseconds, and a model needs rows.
        names = [name for name in answer if name != join_key]
        rows = zip(*(answer[name] for name in names), strict=True)
        return [
            dict(zip(names, row, strict=True)) if any(value is not None for value in row) else None
            for row in rows
        ]

    return _method(name, read, consistency)


def resolved_read(
    name: str, source: "FeatureSource | AwaitedSource", consistency: str = CONSISTENCY
) -> Method:
    """Read as poc/serve_model_feast.py does: Feast's online store, on a plan made before the reads."""

    def read(ids: Sequence[str]) -> list[Row | None]:
        return [None if found is None else found.values for found in source.read(ids)]

    return _method(name, read, consistency)


def common_consistency(methods: Sequence[Method]) -> str:
    """Name the consistency level that all `methods` read at.

    Raises:
        UnequalConsistency: they read at different ones, so their latencies do not compare.
    """
    levels = {method.name: method.consistency for method in methods}
    if len(set(levels.values())) != 1:
        raise UnequalConsistency(levels)
    return methods[0].consistency


def _method(name: str, read: Read, consistency: str) -> Method:
    title, remark = KNOWN[name]
    return Method(name, title, remark, read, consistency)
