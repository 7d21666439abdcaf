"""One materialization from beginning to end: choose the intervals, fill both stores, check, record."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from poc.dataset.stored import count_waiting, latest_rows, newest_event
from poc.definitions import FeatureSet, applied_service, applied_view
from poc.errors import NothingToMaterialize, OnlineValuesDiffer
from poc.feature_store import connection_of, kept_for
from poc.materialization.direct import MAX_REVISION, DirectTable
from poc.materialization.offline import LatestRows, count_in_interval, interval_fingerprint, keys_in_interval
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.verification import differences, gone_until, online_store_holds, read_view, spoken
from poc.materialization.window import Window, beside, cut_at_now, full_window, given_window, next_window
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import Session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

SAMPLES = 5


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for; all unset means: what is needed.

    Attributes:
        full: what is not stale, whatever was materialized before.
        start: begin of the interval, UTC, inclusive; None for the view's ttl before `end`.
        end: its end, UTC, exclusive; None for now, and taken for now where it lies in the future.
        until: of what is needed, the part before this moment, UTC; None for now.
        remake_direct: drop the direct tables, and fill them with all that the online store then holds.
    """

    full: bool = False
    start: datetime | None = None
    end: datetime | None = None
    until: datetime | None = None
    remake_direct: bool = False


@dataclass(frozen=True, slots=True)
class ViewReport:
    """What a materialization did to one view.

    Attributes:
        entities: how many have a row in it.
        sampled: entities whose online values were read back and are exactly the source's; empty where
            each entity of the interval has a newer row after it, or is past the store's time to live.
        waiting: rows of its source that lie in the future.
    """

    view: str
    window: Window
    entities: int
    feast_seconds: float
    direct_seconds: float
    sampled: tuple[str, ...]
    waiting: int


@dataclass(frozen=True, slots=True)
class _Planned:
    definitions: FeatureSet
    direct: DirectTable
    last: MaterializationRun | None
    window: Window
    has_rows: bool


def run_materialization(
    settings: Settings,
    store: "FeatureStore",
    session: Session,
    wish: Wish,
    announce: Callable[[FeatureSet, Window], None],
    progress: Callable[[int], object] | None = None,
) -> tuple[ViewReport, ...]:
    """Fill the online store and the direct tables, view by view of the service.

    A run is recorded only after every write was acknowledged and the sample agreed: one that was interrupted
    is made good by the next. Whatever can be refused is, before the first write.

    Args:
        announce: is told of each view's interval before the first write, and may raise.
        progress: is told how many rows went into the direct tables since the last call.

    Raises FeaturesNotApplied, DatasetNotPrepared, ColumnsMissing, NothingToMaterialize, DirectTableDiffers,
    OnlineValuesDiffer.
    """
    connection = connection_of(store)
    served = applied_service(store, settings.feature_service)
    ensure_keyspace(session, connection)
    ensure_keyspace(session, connection, settings.direct_keyspace)
    record = MaterializationRecord(settings.direct_keyspace, store.project)
    record.create(session)
    run = _Run(store, session, record, wish, progress)
    planned = [run.plan(definitions) for definitions in served.feature_sets]
    _require_rows(planned)
    todo = [item for item in planned if item.has_rows]
    for item in todo:
        announce(item.definitions, item.window)
    return tuple(map(run.materialize, todo))


@dataclass(frozen=True, slots=True)
class _Run:
    store: "FeatureStore"
    session: Session
    record: MaterializationRecord
    wish: Wish
    progress: Callable[[int], object] | None

    def plan(self, definitions: FeatureSet) -> _Planned:
        last = self.record.last(self.session, self.store.config.online_store.type, definitions.view)
        direct = DirectTable(self.store, self.record.keyspace, definitions.view)
        if not self.wish.remake_direct:
            direct.require_usable(self.session)
        window = _choose_window(self.store, definitions, self.wish, last)
        window = cut_at_now(window, self.wish.until if self.wish.end is None else self.wish.end)
        has_rows = window.continues or count_in_interval(definitions, window.start, window.end) > 0
        return _Planned(definitions, direct, last, window, has_rows)

    def materialize(self, planned: _Planned) -> ViewReport:
        started = datetime.now(timezone.utc)
        definitions, window, last = planned.definitions, planned.window, planned.last
        online_store, view = self.store.config.online_store.type, definitions.view
        if window.continues and last is not None:
            revision = last.revision
        else:
            revision = self.record.claim_revision(self.session, online_store, view)
        feast_seconds = 0.0
        if not window.is_empty:
            _write_at_revision(self.store, revision)
            before = time.perf_counter()
            # Feast prints its own account; standard output is for what is known to be true.
            with redirect_stdout(sys.stderr):
                self.store.materialize(window.start, window.end, feature_views=[view])
            feast_seconds = time.perf_counter() - before
        before = time.perf_counter()
        entities = self._fill_direct(planned, revision)
        direct_seconds = time.perf_counter() - before
        sampled = _check_samples(self.store, definitions, window)
        if not window.is_empty:
            run = MaterializationRun(
                online_store=online_store,
                feature_view=view,
                finished_at=datetime.now(timezone.utc),
                started_at=started,
                covered_from=window.covered_from,
                covered_until=window.covered_until,
                content=interval_fingerprint(definitions, window.covered_from, window.covered_until),
                transactions=entities,
                duration_seconds=feast_seconds,
                revision=revision,
            )
            self.record.add(self.session, run)
        waiting = count_waiting(definitions, datetime.now(timezone.utc))
        return ViewReport(view, window, entities, feast_seconds, direct_seconds, sampled, waiting)

    def _fill_direct(self, planned: _Planned, revision: int) -> int:
        direct, window = planned.direct, planned.window
        if self.wish.remake_direct:
            direct.drop(self.session)
            direct.fill(self.session, window.covered_from, window.covered_until, self.progress, revision)
        if window.is_empty:
            return 0
        if self.wish.remake_direct:
            return LatestRows(planned.definitions, window.start, window.end).num_rows
        return direct.fill(self.session, window.start, window.end, self.progress, revision)


def _require_rows(planned: Sequence[_Planned]) -> None:
    """Let a view without rows in its interval pass where it was filled before, and another has some."""
    empty = [item for item in planned if not item.has_rows]
    for item in empty:
        if item.last is None or len(empty) == len(planned):
            path, window = item.definitions.source_path, item.window
            raise NothingToMaterialize(path, window.start, window.end, newest_event(item.definitions))


def _write_at_revision(store: "FeatureStore", revision: int) -> None:
    """Let our engines' writes replace stored values of the same event time; others do so anyway.

    Cassandra keeps neither of two rows written at one time as a whole.
    """
    engine = getattr(store._get_provider().batch_engine, "config", None)
    if engine is not None and hasattr(engine, "revision"):
        stated = store.config.batch_engine_config.get("revision", 0)
        engine.revision = max(stated, min(revision, MAX_REVISION))


def _choose_window(
    store: "FeatureStore", definitions: FeatureSet, wish: Wish, last: MaterializationRun | None
) -> Window:
    # Cassandra keeps milliseconds; a finer end would not be found again in the record.
    now = datetime.now(timezone.utc).replace(microsecond=0)
    end, ttl = now if wish.end is None else min(wish.end, now), definitions.ttl
    if wish.full and wish.start is None and wish.end is None:
        return full_window(end, ttl, "as asked")
    held = online_store_holds(store, definitions, SAMPLES)
    fingerprint = partial(interval_fingerprint, definitions)
    if wish.start is not None:
        return beside(given_window(wish.start, end), last, held, fingerprint)
    if wish.end is not None:
        return beside(full_window(end, ttl, "as asked"), last, held, fingerprint)
    until = applied_view(store, definitions.view).most_recent_end_time
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    asked = None if wish.until is None else wish.until.replace(microsecond=0)
    return next_window(now, ttl, last, until, held, fingerprint, asked)


def _check_samples(store: "FeatureStore", definitions: FeatureSet, window: Window) -> tuple[str, ...]:
    """Compare samples, online against offline: entities whose newest row was materialized by now.

    Those that the store may have removed by itself are none.
    """
    now = datetime.now(timezone.utc)
    gone = gone_until(kept_for(store), now)
    since = window.covered_from if gone is None else max(gone, window.covered_from)
    candidates = keys_in_interval(definitions, since, window.covered_until, 20 * SAMPLES)
    offline = {
        key: row
        for key, row in latest_rows(definitions, candidates, now).items()
        if since <= row.event_timestamp < window.covered_until
    }
    keys = list(offline)[:SAMPLES]
    if not keys:
        return ()
    found = [
        difference
        for key, row in zip(keys, read_view(store, definitions, keys), strict=True)
        for difference in differences(key, row, offline[key].values, definitions.names)
    ]
    if found:
        raise OnlineValuesDiffer(list(map(str, found)))
    return tuple(map(spoken, keys))
