"""Skew: whether the stores hold, for every entity, what the offline data said when it was materialized.

A sample finds a store that is wrong, not a value that is. Here every entity of every view of the service is
read, from the online store by the call that the servers make: what is compared is what a model would be
given. The offline side is the source's latest row of each entity in the interval that the last recorded run
covered. Both are streamed; of the offline data only the rows' positions are held.

What counts as a difference is said in `poc.monitoring.skew`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pyarrow as pa

from poc.definitions import FeatureSet, applied_service
from poc.feature_store import connection_of
from poc.materialization.offline import interval_fingerprint, latest_source
from poc.monitoring.filled_stores import FilledStore, filled_stores
from poc.monitoring.skew import Skew, StoredRow, differences
from poc.monitoring.stored_rows import Key
from poc.online_store.counting import count_partitions
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import Session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

BATCH = 1000
# A row may be gone this long before we know that its time is over: clocks differ.
_CLOCKS = timedelta(seconds=5)

Progress = Callable[[int], object]


@dataclass(slots=True)
class StoreCheck:
    """What the comparison of one view in one store came to.

    Attributes:
        store: its name, for a person.
        covered_from: begin of the interval that it was filled from, UTC, inclusive.
        covered_until: its end, UTC, exclusive.
        compared: entities with a row in that interval.
        differing: how many of them have another value online, or no row.
        missing: how many of those have no row.
        expired: entities without a row because their time in the store is over; not differing.
        others: entities online that have no row in that interval; None where they cannot be counted.
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
class ViewCheck:
    """The comparison of one view in all stores.

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
        """Whether no entity differs."""
        return not any(store.differing for store in self.stores)


def check_consistency(
    settings: Settings, store: "FeatureStore", session: Session, progress: Progress, shown: int = 20
) -> tuple[ViewCheck, ...]:
    """Compare every entity of every view of the service, in Feast's online store and in the direct table.

    The caller holds the materialization lock: a run in between would look like skew.

    Args:
        settings: which service, and where the record is.
        store: Feast, with the online store that its yaml selects.
        session: to read the record and the direct table.
        progress: is told how many entities were compared since the last call.
        shown: how many differences to give of each store and view; all are counted.

    Raises:
        FeaturesNotApplied, InvalidDefinitions: as `poc.definitions.applied_service`.
        FeaturesNotMaterialized: no run of a view into the configured online store was recorded.
        FeaturesOutdated: a table has a column of another type than declared.
        CassandraUnavailable: it does not answer.
        DatasetNotPrepared, ColumnsMissing: a source does not give what is declared.
    """
    views = applied_service(store, settings.feature_service).feature_sets
    with cassandra_failures(connection_of(store)):
        # Nothing is compared before it is known that all can be.
        filled = [filled_stores(store, session, settings.direct_keyspace, view) for view in views]
        return tuple(
            _check_view(view, stores, session, progress, shown)
            for view, stores in zip(views, filled, strict=True)
        )


def _check_view(
    definitions: FeatureSet, stores: tuple[FilledStore, ...], session: Session, progress: Progress, shown: int
) -> ViewCheck:
    checks = tuple(_check(item, session, definitions, progress, shown) for item in stores)
    run = stores[0].run
    content = interval_fingerprint(definitions, run.covered_from, run.covered_until)
    return ViewCheck(definitions.view, content != run.content, checks)


def _check(
    filled: FilledStore, session: Session, definitions: FeatureSet, progress: Progress, shown: int
) -> StoreCheck:
    check = StoreCheck(filled.name, filled.run.covered_from, filled.run.covered_until)
    source = latest_source(definitions, filled.run.covered_from, filled.run.covered_until)
    for batch in source.batches(BATCH):
        _compare(batch, filled, definitions, check, shown)
        progress(batch.num_rows)
    if filled.table is not None:
        count = count_partitions(session, *filled.table)
        known = check.compared - check.missing - check.expired
        check.others = None if count is None else max(count - known, 0)
    return check


def _compare(
    batch: pa.RecordBatch, filled: FilledStore, definitions: FeatureSet, check: StoreCheck, shown: int
) -> None:
    rows = list(_offline(batch, definitions))
    online = filled.read([key for key, _, _ in rows])
    now = datetime.now(timezone.utc)
    for (key, values, event), stored in zip(rows, online, strict=True):
        check.compared += 1
        if stored is None:
            if filled.kept_for is not None and event + filled.kept_for <= now + _CLOCKS:
                check.expired += 1
                continue
            check.missing += 1
        found = _skew(definitions, key, stored, values, event)
        if found:
            check.differing += 1
            check.shown += found[: max(shown - len(check.shown), 0)]


def _skew(
    definitions: FeatureSet, key: Key, stored: StoredRow | None, values: tuple[object, ...], event: datetime
) -> list[Skew]:
    named = dict(zip(definitions.key_names, key, strict=True))
    if stored is None:
        return [Skew(named, None, None, None)]
    offline = dict(zip(definitions.names, values, strict=True))
    return differences(named, stored, offline, event, definitions.timestamp_column)


def _offline(
    batch: pa.RecordBatch, definitions: FeatureSet
) -> Iterator[tuple[Key, tuple[object, ...], datetime]]:
    """Give each row's key, values and event time."""
    keys = zip(*(batch.column(name).to_pylist() for name in definitions.key_names), strict=True)
    values = zip(*(batch.column(name).to_pylist() for name in definitions.names), strict=True)
    moments = batch.column(definitions.timestamp_column).to_pylist()
    return zip(keys if definitions.join_keys else [()] * len(moments), values, moments, strict=True)
