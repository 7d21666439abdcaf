"""The ways of reading features that are compared: how each reads, and how it is called in the results.

A further way is one more function that gives a `Method`. When and how often a method reads is up to
`poc.comparison.measure`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import tuple_factory

from poc.errors import UnequalConsistency
from poc.retrieval.source import Value

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.database.direct_table import DirectTable

# Feast's stock Cassandra store reads at the driver's default, cannot be told otherwise, and keeps as
# many statements in flight.
CONSISTENCY = "LOCAL_ONE"
READS_IN_FLIGHT = 100

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


def direct_cassandra(session: Session, table: "DirectTable") -> Method:
    """Read the direct table as poc/serve_model.py does: one prepared statement an id.

    The session is the caller's, from `poc.database.sessions`.

    Raises:
        InvalidRequest: there is no such table, or it lacks a feature.
    """
    names = table.definitions.names
    select = session.prepare(table.select_cql)
    profile = session.execution_profile_clone_update(
        EXEC_PROFILE_DEFAULT,
        # Named tuples, the driver's default, cost a new class for each answer.
        row_factory=tuple_factory,
        consistency_level=ConsistencyLevel.name_to_value[CONSISTENCY],
    )

    def read(ids: Sequence[str]) -> list[Row | None]:
        if len(ids) == 1:
            answers = [session.execute(select, (ids[0],), execution_profile=profile)]
        else:
            results = execute_concurrent_with_args(
                session,
                select,
                [(item,) for item in ids],
                concurrency=READS_IN_FLIGHT,
                execution_profile=profile,
            )
            answers = [result.result_or_exc for result in results]
        rows = [answer.one() for answer in answers]
        # The event time comes after the features and is not one of them.
        return [None if row is None else dict(zip(names, row, strict=False)) for row in rows]

    return Method("direct-cassandra", "Direct Cassandra", "(!) Manual management", read)


def feast_stock(store: "FeatureStore", service_name: str, join_key: str) -> Method:
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

    return Method("feast-stock", "Feast", "✅ Versioning, lineage, consistency", read)


def common_consistency(methods: Sequence[Method]) -> str:
    """Name the consistency level that all `methods` read at.

    Raises:
        UnequalConsistency: they read at different ones, so their latencies do not compare.
    """
    levels = {method.name: method.consistency for method in methods}
    if len(set(levels.values())) != 1:
        raise UnequalConsistency(levels)
    return methods[0].consistency
