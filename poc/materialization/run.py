"""One materialization from beginning to end: choose the intervals, fill both stores, check, record."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from poc.command_line import doing, note, ok, progress_bar
from poc.dataset.stored import count_waiting
from poc.definitions import FeatureSet, applied_feature_set, applied_service
from poc.feature_store import connection_of
from poc.materialization.offline import IntervalRows, interval_fingerprint, watch_source
from poc.materialization.plan import Planned, RunOptions, plan_view, require_rows
from poc.materialization.rebuild import drop_left, new_generation, row_store
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.verification import check_samples
from poc.materialization.window import Window
from poc.online_store.generations import Content
from poc.online_store.naming import quoted
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA, Session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class ViewReport:
    """What a materialization did to one view.

    Attributes:
        entities: how many have a row in it.
        direct_seconds: None for a view that the service does not take: it has no direct table.
        sampled: entities whose online values were read back and are exactly the source's; empty where
            each entity of the interval has a newer row after it, or is past the store's time to live.
        waiting: rows of its source that lie in the future.
    """

    view: str
    window: Window
    entities: int
    feast_seconds: float
    direct_seconds: float | None
    sampled: tuple[str, ...]
    waiting: int


def run_materialization(
    settings: Settings,
    store: "FeatureStore",
    session: Session,
    options: RunOptions,
    announce: Callable[[FeatureSet, Window], None],
) -> tuple[ViewReport, ...]:
    """Fill the online store and the direct tables, view by view of the service, or of the view of `options`.

    A run is recorded only after every write was acknowledged and the sample agreed: one that was interrupted
    is made good by the next. Whatever can be refused is, before the first write: `announce`, too, is told of
    each view's interval before it, and may raise. A bar counts the rows that go into a direct table.

    Raises FeaturesNotApplied, DatasetNotPrepared, ColumnsMissing, NothingToMaterialize, DirectTableDiffers,
    OnlineValuesDiffer.
    """
    connection = connection_of(store)
    served = applied_service(store, settings.feature_service)
    ensure_keyspace(session, connection)
    ensure_keyspace(session, connection, settings.direct_keyspace)
    record = MaterializationRecord(settings.direct_keyspace, store.project)
    record.create(session)
    views = served.feature_sets if options.view is None else (applied_feature_set(store, options.view),)
    names = {item.view for item in served.feature_sets}
    planned = [plan_view(store, session, record, view, options, served=view.view in names) for view in views]
    require_rows(planned)
    todo = [item for item in planned if item.has_rows]
    for item in todo:
        announce(item.definitions, item.window)
    run = _Run(store, session, record)
    reports = []
    for item in todo:
        with doing(f"materializing {item.definitions.view} from {item.definitions.source_path}"):
            reports.append(run.materialize(item))
    return tuple(reports)


@dataclass(frozen=True, slots=True)
class _Run:
    store: "FeatureStore"
    session: Session
    record: MaterializationRecord

    def materialize(self, planned: Planned) -> ViewReport:
        started = datetime.now(timezone.utc)
        definitions, window, view = planned.definitions, planned.window, planned.definitions.view
        covered = (window.covered_from, window.covered_until)
        require_unchanged = watch_source(definitions)
        content = interval_fingerprint(definitions, *covered)
        before = time.perf_counter()
        if not window.is_empty:
            self._fill_online(planned, content, require_unchanged)
        feast_seconds = time.perf_counter() - before
        before = time.perf_counter()
        written_us = self.record.next_write_time(self.session, view)
        entities = self._fill_direct(planned, written_us)
        direct_seconds = None if planned.direct is None else time.perf_counter() - before
        require_unchanged()
        sampled = check_samples(self.store, definitions, *covered)
        if not window.is_empty:
            online_store, now = self.store.config.online_store.type, datetime.now(timezone.utc)
            run = MaterializationRun(
                online_store, view, now, started, *covered, content, entities, feast_seconds, written_us
            )
            self.record.add(self.session, run)
        if window.anew:
            drop_left(self.store, definitions)
        waiting = count_waiting(definitions, datetime.now(timezone.utc))
        return ViewReport(view, window, entities, feast_seconds, direct_seconds, sampled, waiting)

    def _fill_online(self, planned: Planned, content: str, require_unchanged: Callable[[], None]) -> None:
        definitions, window, rows = planned.definitions, planned.window, row_store(self.store)
        covered = (window.covered_from, window.covered_until)
        if rows is not None and window.anew:
            with new_generation(self.store, definitions) as generation:
                self._materialize(definitions, window)
                entities = generation.check(window.start, window.end)
                require_unchanged()
                generation.serve(Content(*covered, content, entities))
            return
        if planned.emptied is not None:
            table = ".".join(map(quoted, planned.emptied))
            self.session.execute(f"TRUNCATE {table}", execution_profile=SCHEMA)
        self._materialize(definitions, window)
        if rows is not None:
            filled = Content(*covered, content, IntervalRows(definitions, *covered).num_rows)
            rows.generations(self.store.config).note(definitions.view, filled)

    def _materialize(self, definitions: FeatureSet, window: Window) -> None:
        # Feast prints its own account; standard output is for what is known to be true.
        with redirect_stdout(sys.stderr):
            self.store.materialize(window.start, window.end, feature_views=[definitions.view])

    def _fill_direct(self, planned: Planned, written_us: int) -> int:
        direct, window, last = planned.direct, planned.window, planned.last
        if direct is None:
            return IntervalRows(planned.definitions, window.start, window.end).num_rows
        if planned.remake_direct:
            direct.drop(self.session)
        if window.anew or planned.remake_direct:
            covered = (window.covered_from, window.covered_until)
            with progress_bar("Direct table") as bar:
                filled = direct.fill(self.session, *covered, written_us, progress=bar.update)
            direct.remove_older(self.session, written_us)
            return filled if window.anew else 0
        if window.is_empty:
            return 0
        until = None if last is None else last.covered_until
        with progress_bar("Direct table") as bar:
            return direct.fill(self.session, window.start, window.end, written_us, until, bar.update)


def tell(reports: Sequence[ViewReport]) -> None:
    """Tell of the views that were materialized: what is true on standard output, figures beside it."""
    ok(f"Materialization complete ({sum(item.feast_seconds for item in reports):.1f}s)")
    for item in reports:
        seconds = item.direct_seconds
        named = len(reports) > 1 or seconds is None
        of_view, what = (f"{item.view}: ", "entities") if named else ("", "transactions")
        beside = "no direct table" if seconds is None else f"the direct table took {seconds:.1f}s"
        note(f"  {of_view}{item.entities:,} {what}; {beside}")
        if item.waiting:
            rows = "1 row lies" if item.waiting == 1 else f"{item.waiting:,} rows lie"
            note(f"  {of_view}{rows} in the future and wait{'s' if item.waiting == 1 else ''}")
    if any(item.sampled for item in reports):
        ok("Sample feature retrieval successful")
    for item in reports:
        if item.sampled:
            note(f"  {', '.join(item.sampled)}: online values equal the Parquet's")
    ok("Feature Materialization Complete!")
