"""Skew: whether the stores hold, for every entity, what the offline data said when it was materialized.

A sample finds a store that is wrong, not a value that is. Here every entity of every view of the service is
read, from the online store by the call that the servers make: what is compared is what a model would be
given. The offline side is the source's latest row of each entity in the interval that the last recorded run
covered. Both are streamed; of the offline data only the rows' positions are held.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from poc.dataset.values import same_event_time, same_value
from poc.definitions import FeatureSet, applied_service
from poc.feature_store import connection_of
from poc.materialization.offline import LatestRows, interval_fingerprint
from poc.materialization.verification import gone_until
from poc.monitoring.filled_stores import NEVER_WRITTEN, FilledStore, StoredRow, filled_stores
from poc.online_store.counting import count_partitions
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import Session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

BATCH = 1000

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Skew:
    """One value that a store holds otherwise than the offline data.

    Attributes:
        key: whose it is: the join keys by name.
        column: the feature's name, or the event time's column; None where the store has no such entity.
        online: what the store holds.
        offline: what the offline data says.
    """

    key: Mapping[str, object]
    column: str | None
    online: object
    offline: object

    def __str__(self) -> str:
        entity = "/".join(str(part) for part in self.key.values())
        if self.column is None:
            return f"{entity}: missing online"
        return f"{entity}.{self.column}: online {self.online!r}, offline {self.offline!r}"


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
        found = []
        for view, stores in zip(views, filled, strict=True):
            checks = tuple(_check(item, session, view, progress, shown) for item in stores)
            run = stores[0].run
            content = interval_fingerprint(view, run.covered_from, run.covered_until)
            found.append(ViewCheck(view.view, content != run.content, checks))
        return tuple(found)


def _check(
    filled: FilledStore, session: Session, definitions: FeatureSet, progress: Progress, shown: int
) -> StoreCheck:
    check = StoreCheck(filled.name, filled.run.covered_from, filled.run.covered_until)
    source = LatestRows(definitions, filled.run.covered_from, filled.run.covered_until)
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
    moment = definitions.timestamp_column
    columns = batch.select([*definitions.key_names, *definitions.names, moment]).to_pydict()
    events = columns[moment]
    named_keys = [{name: columns[name][row] for name in definitions.key_names} for row in range(len(events))]
    online = filled.read([tuple(named.values()) for named in named_keys])
    removed = gone_until(filled.kept_for, datetime.now(timezone.utc))
    for row, (named, event, stored) in enumerate(zip(named_keys, events, online, strict=True)):
        check.compared += 1
        if stored is not None:
            offline = {name: columns[name][row] for name in definitions.names}
            found = differences(named, stored, offline, event, moment)
        elif removed is not None and event <= removed:
            check.expired += 1
            continue
        else:
            check.missing += 1
            found = [Skew(named, None, None, None)]
        check.differing += bool(found)
        check.shown += found[: max(shown - len(check.shown), 0)]


def differences(
    key: Mapping[str, object],
    online: StoredRow,
    offline: Mapping[str, object],
    event_time: datetime,
    event_column: str,
) -> list[Skew]:
    """List where a stored entity is not exactly the offline one: event time, then declared order.

    `offline` has the value of every feature, in declared order and of the declared type, `event_column` the
    event time, UTC.
    """
    found = []
    if not same_event_time(online.event_time, event_time):
        found.append(Skew(key, event_column, online.event_time, event_time))
    for (name, value), stored in zip(offline.items(), online.values, strict=True):
        if stored is NEVER_WRITTEN or not same_value(stored, value):
            found.append(Skew(key, name, stored, value))
    return found


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
    documents = [
        {
            "feature_view": view.feature_view,
            "holds": view.holds,
            "offline_changed": view.offline_changed,
            "stores": [_store_document(check) for check in view.stores],
        }
        for view in views
    ]
    return {"holds": all(view.holds for view in views), "views": documents}


def _store_document(check: StoreCheck) -> dict[str, Any]:
    figures = {name: _json_value(value) for name, value in asdict(check).items() if name != "shown"}
    differences = [
        {
            "key": {name: _json_value(value) for name, value in skew.key.items()},
            "column": skew.column,
            "online": _json_value(skew.online),
            "offline": _json_value(skew.offline),
        }
        for skew in check.shown
    ]
    return figures | {"differences": differences}


def _json_value(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, bool | int | float | str | None) else str(value)
