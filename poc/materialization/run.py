"""One materialization from beginning to end: choose the intervals, fill both stores, check, record."""

import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from poc.command_line import doing
from poc.dataset.stored import count_waiting
from poc.definitions import FeatureSet, applied_service
from poc.feature_store import connection_of
from poc.materialization.offline import (
    FileStates,
    LatestRows,
    file_states,
    interval_fingerprint,
    require_unchanged,
)
from poc.materialization.one_view import chosen_views, is_served
from poc.materialization.plan import Planned, Wish, plan_view, require_rows
from poc.materialization.rebuild import drop_left, new_generation, row_store
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.verification import check_samples
from poc.materialization.window import Window
from poc.online_store.generations import Content
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import Session
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
    wish: Wish,
    announce: Callable[[FeatureSet, Window], None],
    progress: Callable[[int], object] | None = None,
) -> tuple[ViewReport, ...]:
    """Fill the online store and the direct tables, view by view of the service, or of the view of `wish`.

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
    planned = [
        plan_view(store, session, record, view, wish, served=is_served(served, view.view))
        for view in chosen_views(store, served, wish.view)
    ]
    require_rows(planned)
    todo = [item for item in planned if item.has_rows]
    for item in todo:
        announce(item.definitions, item.window)
    run = _Run(store, session, record, progress)
    reports = []
    for item in todo:
        definitions = item.definitions
        with doing(f"materializing {definitions.view} from {definitions.source_path}"):
            reports.append(run.materialize(item))
    return tuple(reports)


@dataclass(frozen=True, slots=True)
class _Run:
    store: "FeatureStore"
    session: Session
    record: MaterializationRecord
    progress: Callable[[int], object] | None

    def materialize(self, planned: Planned) -> ViewReport:
        started = datetime.now(timezone.utc)
        definitions, window, view = planned.definitions, planned.window, planned.definitions.view
        files = file_states(definitions)
        content = interval_fingerprint(definitions, window.covered_from, window.covered_until)
        feast_seconds = 0.0
        if not window.is_empty:
            before = time.perf_counter()
            self._fill_online(planned, content, files)
            feast_seconds = time.perf_counter() - before
        before = time.perf_counter()
        written_us = self.record.next_write_time(self.session, view)
        entities = self._fill_direct(planned, written_us)
        direct_seconds = None if planned.direct is None else time.perf_counter() - before
        require_unchanged(definitions, files)
        sampled = check_samples(self.store, definitions, window.covered_from, window.covered_until)
        if not window.is_empty:
            run = MaterializationRun(
                online_store=self.store.config.online_store.type,
                feature_view=view,
                finished_at=datetime.now(timezone.utc),
                started_at=started,
                covered_from=window.covered_from,
                covered_until=window.covered_until,
                content=content,
                transactions=entities,
                duration_seconds=feast_seconds,
                written_us=written_us,
            )
            self.record.add(self.session, run)
        if window.anew:
            drop_left(self.store, definitions)
        waiting = count_waiting(definitions, datetime.now(timezone.utc))
        return ViewReport(view, window, entities, feast_seconds, direct_seconds, sampled, waiting)

    def _fill_online(self, planned: Planned, content: str, files: FileStates) -> None:
        definitions, window, rows = planned.definitions, planned.window, row_store(self.store)
        covered = (window.covered_from, window.covered_until)
        if rows is None:
            if planned.empty_stock and planned.stock is not None:
                planned.stock.empty()
            self._materialize(definitions, window)
        elif window.anew:
            with new_generation(self.store, definitions) as generation:
                self._materialize(definitions, window)
                entities = generation.check(window.start, window.end)
                require_unchanged(definitions, files)
                generation.serve(Content(*covered, content, entities))
        else:
            self._materialize(definitions, window)
            entities = LatestRows(definitions, *covered).num_rows
            filled = Content(*covered, content, entities)
            rows.generations(self.store.config).note(definitions.view, filled)

    def _materialize(self, definitions: FeatureSet, window: Window) -> None:
        # Feast prints its own account; standard output is for what is known to be true.
        with redirect_stdout(sys.stderr):
            self.store.materialize(window.start, window.end, feature_views=[definitions.view])

    def _fill_direct(self, planned: Planned, written_us: int) -> int:
        direct, window, last = planned.direct, planned.window, planned.last
        if direct is None:
            return LatestRows(planned.definitions, window.start, window.end).num_rows
        whole = window.anew or planned.remake_direct
        if planned.remake_direct:
            direct.drop(self.session)
        if whole:
            filled = direct.fill(
                self.session, window.covered_from, window.covered_until, written_us, progress=self.progress
            )
            direct.remove_older(self.session, written_us)
            return filled if window.anew else 0
        if window.is_empty:
            return 0
        until = None if last is None else last.covered_until
        return direct.fill(self.session, window.start, window.end, written_us, until, self.progress)
