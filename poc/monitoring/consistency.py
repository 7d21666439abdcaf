"""Skew: whether the stores give, for every transaction, what the offline data said when it was materialized.

A sample finds a store that is wrong, not a value that is. Here every transaction is read, through the same
resolved reads that the servers use: what is compared is what a model would be given. The offline side is
the Parquet's latest row of each transaction in the interval that the last recorded run covered. Both are
streamed; of the offline data only the rows' positions are held.

What counts as a difference is said in `poc.monitoring.skew`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pyarrow as pa
from cassandra.cluster import Session

from poc.database.sessions import idempotent
from poc.definitions import FeatureSet
from poc.feature_store import applied_features
from poc.materialization.offline import interval_fingerprint, latest_source
from poc.monitoring.bulk_reads import Read, bulk_reading
from poc.monitoring.filled_stores import FilledStore, filled_stores
from poc.monitoring.skew import Skew, differences
from poc.retrieval.reads import CassandraReads
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

BATCH = 1000
BATCH_TIMEOUT_SECONDS = 60.0
# A row may be gone this long before we know that its time is over: clocks differ.
_CLOCKS = timedelta(seconds=5)

Progress = Callable[[int], object]


@dataclass(slots=True)
class StoreCheck:
    """What the comparison of one store came to.

    Attributes:
        store: its name, for a person.
        covered_from: begin of the interval that it was filled from, UTC, inclusive.
        covered_until: its end, UTC, exclusive.
        compared: transactions with a row in that interval.
        differing: how many of them have another value online, or no row.
        missing: how many of those have no row.
        expired: transactions without a row because their time in the store is over; not differing.
        others: transactions online that have no row in that interval; None where they cannot be counted.
        shown: the first of the differences.
    """

    store: str
    covered_from: datetime
    covered_until: datetime
    compared: int = 0
    differing: int = 0
    missing: int = 0
    expired: int = 0
    others: int | None = None
    shown: list[Skew] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Consistency:
    """The comparison of all stores of one view.

    Attributes:
        feature_view: its name.
        offline_changed: whether the offline rows of the interval are no longer those that were
            materialized, so that differences are to be expected.
        stores: Feast's online store and the direct table.
    """

    feature_view: str
    offline_changed: bool
    stores: tuple[StoreCheck, ...]

    @property
    def holds(self) -> bool:
        """Whether no transaction differs."""
        return not any(store.differing for store in self.stores)


def check_consistency(
    settings: Settings,
    store: "FeatureStore",
    session: Session,
    progress: Progress,
    shown: int = 20,
) -> Consistency:
    """Compare every transaction, in Feast's online store and in the direct table.

    The caller holds the materialization lock: a run in between would look like skew.

    Args:
        settings: where the stores and the record are.
        store: Feast, with the online store that its yaml selects.
        session: to read the record and the direct table.
        progress: is told how many transactions were compared since the last call.
        shown: how many differences to give of each store; all are counted.

    Raises:
        FeaturesNotApplied, InvalidDefinitions: as `poc.feature_store.applied_features`.
        FeaturesNotMaterialized: no run into the configured online store was recorded.
        FeaturesOutdated: a store lacks a feature, or has it with another type.
        CassandraUnavailable: it does not answer within a minute.
        DatasetNotPrepared, ColumnsMissing: the Parquet does not give what is declared.
    """
    definitions = applied_features(store, settings.feature_service)
    patient = settings.model_copy(update={"feature_timeout_seconds": BATCH_TIMEOUT_SECONDS})
    with filled_stores(patient, store, session, definitions) as stores:
        checks = tuple(_check(item, patient, session, definitions, progress, shown) for item in stores)
        run = stores[0].run
    content = interval_fingerprint(definitions, run.covered_from, run.covered_until)
    return Consistency(definitions.view, content != run.content, checks)


def _check(
    filled: FilledStore,
    settings: Settings,
    session: Session,
    definitions: FeatureSet,
    progress: Progress,
    shown: int,
) -> StoreCheck:
    check = StoreCheck(filled.name, filled.run.covered_from, filled.run.covered_until)
    source = latest_source(definitions, filled.run.covered_from, filled.run.covered_until)
    with bulk_reading(filled.reads, filled.connection, settings) as read:
        for batch in source.batches(BATCH):
            _compare(batch, read, filled.kept_for, definitions, check, shown)
            progress(batch.num_rows)
    known = check.compared - check.missing - check.expired
    if isinstance(filled.reads, CassandraReads):
        check.others = max(_count_keys(session, filled.reads) - known, 0)
    return check


def _compare(
    batch: pa.RecordBatch,
    read: Read,
    kept_for: timedelta | None,
    definitions: FeatureSet,
    check: StoreCheck,
    shown: int,
) -> None:
    moment = definitions.timestamp_column
    ids = batch.column(definitions.join_key).to_pylist()
    events = batch.column(moment).cast(pa.timestamp("us", "UTC"), safe=False).to_pylist()
    columns = [batch.column(name).to_pylist() for name in definitions.names]
    online = read(ids)
    now = datetime.now(timezone.utc)
    for transaction_id, event, stored, values in zip(
        ids, events, online, zip(*columns, strict=True), strict=True
    ):
        check.compared += 1
        if stored is None:
            if kept_for is not None and event + kept_for <= now + _CLOCKS:
                check.expired += 1
                continue
            check.missing += 1
            found = [Skew(transaction_id, None, None, None)]
        else:
            offline = dict(zip(definitions.names, values, strict=True))
            found = differences(transaction_id, stored, offline, event, moment)
        if found:
            check.differing += 1
            check.shown += found[: max(shown - len(check.shown), 0)]


def _count_keys(session: Session, reads: CassandraReads) -> int:
    """Count the transactions in a table, a page at a time."""
    key = reads.lookup.cql.rpartition(" WHERE ")[2].partition(" =")[0]
    return sum(1 for _ in session.execute(idempotent(f"SELECT DISTINCT {key} FROM {reads.lookup.table}")))
