"""Skew: whether the stores hold, for every entity, what the offline data said when it was materialized.

A sample finds a store that is wrong, not a value that is. Here every entity of every view of the service is
read, from the online store by the call that the servers make: what is compared is what a model would be
given. The offline side is the source's latest row of each entity in the interval that the last recorded run
covered. Both are streamed; of the offline data only the rows' positions are held.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from poc.dataset.values import Difference
from poc.definitions import FeatureSet, applied_service, applied_view
from poc.errors import FeaturesNotMaterialized
from poc.feature_store import connection_of, kept_for
from poc.materialization.offline import IntervalRows, interval_fingerprint
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.stored_rows import BATCH, Read, beside_stored, by_reader, differences, through_feast
from poc.materialization.verification import gone_until
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import online_tables
from poc.online_store.layout import direct_layout
from poc.online_store.naming import Table
from poc.online_store.partitions import count_partitions
from poc.online_store.session import Session
from poc.online_store.view_reader import RowReader
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

Progress = Callable[[int], object]


@dataclass(slots=True)
class StoreCheck:
    """What the comparison of one view in one store came to.

    Attributes:
        covered_from, covered_until: the interval that it was filled from, UTC, without its end.
        compared: entities with a row in that interval.
        differing: how many of them have another value online, or no row.
        missing: how many of those have no row.
        expired: entities without a row because their time in the store is over; not differing.
        others: entities online that have no row in that interval; None where they cannot be counted.
        differences: the first of them.
    """

    store: str
    covered_from: datetime
    covered_until: datetime
    compared: int = 0
    differing: int = 0
    missing: int = 0
    expired: int = 0
    others: int | None = None
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ViewCheck:
    """The comparison of one view in Feast's online store and in the direct table.

    Differences are to be expected where `offline_changed`: the interval's offline rows are no longer those
    that were materialized.
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

    `session` reads the record and the direct table. `progress` is told how many entities were compared since
    the last call. Of each store and view the first `shown` differences are returned; all are counted.

    Raises FeaturesNotMaterialized where no run of a view into the configured online store was recorded; and
    OnlineTableMissing, FeaturesOutdated, DatasetNotPrepared, ColumnsMissing, FeaturesNotApplied,
    InvalidDefinitions, CassandraUnavailable.
    """
    views = applied_service(store, settings.feature_service).feature_sets
    with cassandra_failures(connection_of(store)):
        # Nothing is compared before it is known that all can be.
        filled = [_filled_stores(store, session, settings.direct_keyspace, view) for view in views]
        found = []
        for view, stores in zip(views, filled, strict=True):
            checks = tuple(_check(item, session, view, progress, shown) for item in stores)
            run = stores[0].run
            content = interval_fingerprint(view, run.covered_from, run.covered_until)
            found.append(ViewCheck(view.view, content != run.content, checks))
        return tuple(found)


@dataclass(frozen=True, slots=True)
class _FilledStore:
    """One store of a view: its table, None where that is not known, the run that filled it, and the age from
    which it removes a row by itself.
    """

    name: str
    read: Read
    table: Table | None
    run: MaterializationRun
    kept_for: timedelta | None


def _filled_stores(
    store: "FeatureStore", session: Session, direct_keyspace: str, definitions: FeatureSet
) -> tuple[_FilledStore, _FilledStore]:
    """Return the online store that `store` is configured with, and the direct table, read by `session`."""
    view, online_store = definitions.view, store.config.online_store.type
    runs = MaterializationRecord(direct_keyspace, store.project).last_of_each_store(session, view)
    if online_store not in runs:
        raise FeaturesNotMaterialized(f"Feature view {view}")
    connection = connection_of(store)
    table = online_tables(session, connection.keyspace, store.project, view).get(online_store)
    online = through_feast(store, definitions)
    layout = direct_layout(direct_keyspace, store.project, applied_view(store, view))
    direct = by_reader(RowReader(session, layout, None, connection), definitions)
    # Runs into any online store fill the same direct table.
    furthest = max(runs.values(), key=lambda item: item.covered_until)
    return (
        _FilledStore("Feast online store", online, table, runs[online_store], kept_for(store)),
        _FilledStore("Direct table", direct, (layout.keyspace, layout.table), furthest, None),
    )


def _check(
    filled: _FilledStore, session: Session, definitions: FeatureSet, progress: Progress, shown: int
) -> StoreCheck:
    check = StoreCheck(filled.name, filled.run.covered_from, filled.run.covered_until)
    for batch in IntervalRows(definitions, check.covered_from, check.covered_until).batches(BATCH):
        removed = gone_until(filled.kept_for, datetime.now(timezone.utc))
        for row in beside_stored([batch], filled.read, definitions):
            check.compared += 1
            if row.stored is None and removed is not None and row.event_time <= removed:
                check.expired += 1
                continue
            found = differences(row, definitions)
            check.missing += row.stored is None
            check.differing += bool(found)
            check.differences += found[: max(shown - len(check.differences), 0)]
        progress(batch.num_rows)
    count = None if filled.table is None else count_partitions(session, *filled.table)
    known = check.compared - check.missing - check.expired
    check.others = None if count is None else max(count - known, 0)
    return check


def describe_view(view: ViewCheck, alone: bool) -> list[tuple[StoreCheck, str, list[str]]]:
    """Say of each store in a line how many entities of `view` differ, and in more what was not compared.

    Where the service has no other view, its entities are the transactions.
    """
    what = "transactions" if alone else "entities"
    said = []
    for check in view.stores:
        compared = f"{check.compared:,} {what} as of {check.covered_until:%Y-%m-%dT%H:%M:%S} UTC"
        missing = f", {check.missing:,} of them missing online" if check.missing else ""
        found = f"{check.differing:,} of {compared} differ{missing}"
        line = f"{check.store}: {found if check.differing else f'{compared}, every value equal'}"
        rest = []
        if check.expired:
            rest.append(f"{check.expired:,} {what} expired online, as the store's ttl_seconds asks")
        if check.others is None:
            rest.append(f"{what.capitalize()} online that are not offline cannot be counted in this store")
        elif check.others:
            rest.append(f"{check.others:,} {what} online have no row in the materialized interval")
        said.append((check, line if alone else f"{view.feature_view}, {line}", rest))
    return said


def consistency_document(views: Sequence[ViewCheck]) -> dict[str, Any]:
    """Return everything for JSON; what JSON does not know is text."""
    of_views = [{**asdict(view), "holds": view.holds} for view in views]
    for difference in (one for view in of_views for check in view["stores"] for one in check["differences"]):
        difference |= {side: _json_value(difference[side]) for side in ("online", "offline")}
    document = {"holds": all(view.holds for view in views), "views": of_views}
    plain: dict[str, Any] = json.loads(json.dumps(document, default=_json_value))
    return plain


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, bool | int | float | str | None) else str(value)
