"""Features read from the direct table, without Feast: one prepared statement an id."""

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.query import tuple_factory

from poc.database.endpoint import configured_endpoint
from poc.database.sessions import open_session
from poc.definitions import FeatureSet, read_definitions
from poc.errors import FeaturesNotMaterialized, FeaturesOutdated
from poc.retrieval.source import TransactionFeatures, Value, as_utc, is_stale, utc_now
from poc.retrieval.tables import Deadline, cassandra_failures, holds_rows
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.database.direct_table import DirectTable

READS_IN_FLIGHT = 100


def open_direct_source(settings: Settings) -> "DirectFeatureSource":
    """Connect, and prepare the statement for the direct table of `settings`.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotMaterialized: there is no such table yet.
        FeaturesOutdated: it lacks a feature.
        CassandraUnavailable: no host accepts a connection.
    """
    # It imports Feast's types, which takes seconds: not before the cheap checks of a script.
    from poc.database.direct_table import DirectTable

    definitions = read_definitions(settings)
    endpoint = configured_endpoint(settings)
    session = open_session(endpoint, request_timeout_seconds=settings.feature_timeout_seconds)
    try:
        return DirectFeatureSource(
            session,
            DirectTable(settings.direct_keyspace, definitions),
            where=str(endpoint),
            timeout_seconds=settings.feature_timeout_seconds,
        )
    except BaseException:
        session.cluster.shutdown()
        raise


class DirectFeatureSource:
    """The features of one direct table.

    Args:
        session: where to read; `close` ends it.
        table: the table.
        where: the cluster's place, for messages.
        timeout_seconds: longest that one `read` may take.
        clock: tells the time, UTC-aware.
    """

    name = "direct"

    def __init__(
        self,
        session: Session,
        table: "DirectTable",
        *,
        where: str,
        timeout_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._session = session
        self._table = table
        self._definitions: FeatureSet = table.definitions
        self._where = where
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._filled = False
        # Named tuples, the driver's default, cost a new class for each answer.
        self._profile = session.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT, row_factory=tuple_factory, consistency_level=ConsistencyLevel.LOCAL_ONE
        )
        with cassandra_failures(where, self._not_materialized):
            self._select = session.prepare(table.select_cql)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The declared features, in declared order."""
        return self._definitions.names

    def read(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        """Read the features of `transaction_ids`; see `FeatureSource.read`."""
        deadline = Deadline(self._timeout_seconds)
        rows = self._rows(transaction_ids)
        now = self._clock()
        found = [
            None if row is None else self._features(transaction_id, row, now)
            for transaction_id, row in zip(transaction_ids, rows, strict=True)
        ]
        if not self._filled and found:
            self._filled = any(found) or self._require_filled(deadline)
        return found

    def check(self) -> None:
        """Find out whether `read` can succeed now; see `FeatureSource.check`."""
        self._filled = False
        self._filled = self._require_filled(Deadline(self._timeout_seconds))

    def close(self) -> None:
        """End the session. A second call does nothing."""
        self._session.cluster.shutdown()

    def _rows(self, transaction_ids: Sequence[str]) -> list[Any]:
        # Cassandra refuses an empty key as an invalid statement; no transaction has it.
        keys = [(item,) for item in transaction_ids if item]
        with cassandra_failures(self._where, self._not_materialized):
            if len(keys) == 1:
                answers = [self._session.execute(self._select, keys[0], execution_profile=self._profile)]
            else:
                results = execute_concurrent_with_args(
                    self._session,
                    self._select,
                    keys,
                    concurrency=READS_IN_FLIGHT,
                    execution_profile=self._profile,
                )
                answers = [result.result_or_exc for result in results]
            rows = iter([answer.one() for answer in answers])
        return [next(rows) if item else None for item in transaction_ids]

    def _features(self, transaction_id: str, row: Sequence[Any], now: datetime) -> TransactionFeatures:
        stored_timestamp = row[-1]
        if stored_timestamp is None:
            raise FeaturesOutdated(f"{transaction_id!r} is stored without an event timestamp")
        event_timestamp = as_utc(stored_timestamp)
        values = {
            name: _value(stored) for name, stored in zip(self._definitions.names, row[:-1], strict=True)
        }
        return TransactionFeatures(
            transaction_id, values, event_timestamp, is_stale(event_timestamp, self._definitions.ttl, now)
        )

    def _require_filled(self, deadline: Deadline) -> bool:
        with cassandra_failures(self._where, self._not_materialized):
            if not holds_rows(self._session, self._table.qualified_name, deadline.remaining()):
                raise self._not_materialized()
        return True

    def _not_materialized(self) -> FeaturesNotMaterialized:
        return FeaturesNotMaterialized(self._table.qualified_name)


def _value(stored: Any) -> Value:
    if isinstance(stored, float) and math.isnan(stored):
        return None
    if isinstance(stored, datetime):
        return as_utc(stored)  # type: ignore[return-value]
    return stored  # type: ignore[no-any-return]
