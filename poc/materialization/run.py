"""One materialization from beginning to end: choose the interval, fill both stores, check, record."""

import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from cassandra.cluster import Session

from poc.database.direct_table import DirectTable
from poc.database.keyspaces import ensure_configured_keyspaces
from poc.database.materializations import MaterializationRecord, MaterializationRun
from poc.dataset.stored import latest_rows, sample_ids
from poc.definitions import FeatureSet
from poc.errors import NothingToMaterialize, OnlineValuesDiffer
from poc.feature_store import applied_features
from poc.lake import ENGINE as SPARK_ENGINE
from poc.materialization.direct import fill_direct_table
from poc.materialization.offline import (
    count_in_interval,
    ids_in_interval,
    interval_fingerprint,
    newest_event,
)
from poc.materialization.verification import differences, online_store_holds, read_online
from poc.materialization.window import Window, beside, full_window, given_window, next_window
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

SAMPLES = 5
# A thousand would be a millisecond, the precision of event times in Cassandra.
MAX_REVISION = 999


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asked for; all unset means: what is needed.

    Attributes:
        full: the last 30 days, whatever was materialized before.
        start: begin of the interval, UTC, inclusive; None for 30 days before `end`.
        end: its end, UTC, exclusive; None for now.
        until: of what is needed, the part before this moment, UTC; None for now.
    """

    full: bool = False
    start: datetime | None = None
    end: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a materialization did.

    Attributes:
        window: the interval.
        transactions: how many transactions have a row in it.
        feast_seconds: time Feast took to fill the online store.
        direct_seconds: time it took to fill the direct table.
        sampled: ids whose online values were read back and are exactly the Parquet's; empty where
            every transaction of the interval has a newer row after it.
    """

    window: Window
    transactions: int
    feast_seconds: float
    direct_seconds: float
    sampled: tuple[str, ...]


def run_materialization(
    settings: Settings,
    store: "FeatureStore",
    session: Session,
    wish: Wish,
    announce: Callable[[Window], None],
    progress: Callable[[int], object] | None = None,
) -> Report:
    """Fill the online store and the direct table; `announce` the interval before the first write.

    The run is recorded only after every write was acknowledged and the sample agreed: one that was
    interrupted is made good by the next.

    Raises:
        FeaturesNotApplied: the registry does not know the feature service.
        DatasetNotPrepared, ColumnsMissing: the Parquet does not give what is declared.
        NothingToMaterialize: no row lies in the interval, and it is not the continuation of an earlier one.
        OnlineValuesDiffer: a value read back is not the Parquet's.
    """
    started = datetime.now(timezone.utc)
    definitions = applied_features(store, settings.feature_service)
    ensure_configured_keyspaces(settings, session)
    record = MaterializationRecord(settings.direct_keyspace)
    record.create(session)

    online_store = store.config.online_store.type
    last = record.last(session, online_store, definitions.view)
    window = _choose_window(store, definitions, wish, last)
    if not window.continues and count_in_interval(definitions, window.start, window.end) == 0:
        raise NothingToMaterialize(
            definitions.source_path, window.start, window.end, newest_event(definitions)
        )
    announce(window)
    if window.is_empty:
        return Report(window, 0, 0.0, 0.0, _check_samples(store, definitions, window))
    if window.continues and last is not None:
        revision = last.revision
    else:
        revision = record.claim_revision(session, online_store, definitions.view)
    _write_at_revision(store, revision)

    before = time.perf_counter()
    # Feast prints its own account; standard output is for what is known to be true.
    with redirect_stdout(sys.stderr):
        store.materialize(window.start, window.end)
    feast_seconds = time.perf_counter() - before

    before = time.perf_counter()
    table = DirectTable(settings.direct_keyspace, definitions)
    transactions = fill_direct_table(session, table, window.start, window.end, progress, revision)
    direct_seconds = time.perf_counter() - before

    sampled = _check_samples(store, definitions, window)
    content = interval_fingerprint(definitions, window.covered_from, window.covered_until)
    finished = datetime.now(timezone.utc)
    record.add(
        session,
        MaterializationRun(
            online_store,
            definitions.view,
            finished,
            started,
            window.covered_from,
            window.covered_until,
            content,
            transactions,
            feast_seconds,
            revision,
        ),
    )
    return Report(window, transactions, feast_seconds, direct_seconds, sampled)


def _write_at_revision(store: "FeatureStore", revision: int) -> None:
    """Let our engines' writes replace stored values of the same event time; others do so anyway.

    Cassandra keeps neither of two rows written at one time as a whole.
    """
    from poc.online_store.arrow_engine import ArrowMaterializationEngine as Engine

    settings = store.config.batch_engine_config
    ours = (f"{Engine.__module__}.{Engine.__name__}", SPARK_ENGINE)
    if isinstance(settings, dict) and settings.get("type") in ours:
        settings["revision"] = max(settings.get("revision", 0), min(revision, MAX_REVISION))


def _choose_window(
    store: "FeatureStore",
    definitions: FeatureSet,
    wish: Wish,
    last: MaterializationRun | None,
) -> Window:
    # Cassandra keeps milliseconds; a finer end would not be found again in the record.
    now = datetime.now(timezone.utc).replace(microsecond=0)
    end = now if wish.end is None else wish.end
    if wish.full and wish.start is None and wish.end is None:
        return full_window(end, "as asked")
    held = online_store_holds(store, definitions, sample_ids(definitions, SAMPLES))
    fingerprint = partial(interval_fingerprint, definitions)
    if wish.start is not None:
        return beside(given_window(wish.start, end), last, held, fingerprint)
    if wish.end is not None:
        return beside(full_window(end, "as asked"), last, held, fingerprint)
    view = store.get_feature_view(definitions.view)
    until = view.most_recent_end_time
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return next_window(
        now,
        last,
        until,
        held,
        fingerprint,
        None if wish.until is None else wish.until.replace(microsecond=0),
    )


def _check_samples(store: "FeatureStore", definitions: FeatureSet, window: Window) -> tuple[str, ...]:
    """Compare samples, online against offline: transactions whose newest row was materialized by now."""
    candidates = ids_in_interval(definitions, window.covered_from, window.covered_until, 20 * SAMPLES)
    offline = {
        key: row
        for key, row in latest_rows(definitions, candidates).items()
        if window.covered_from <= row.event_timestamp < window.covered_until
    }
    ids = list(offline)[:SAMPLES]
    if not ids:
        return ()
    online = read_online(store, definitions, ids)
    found = [
        difference
        for key, row in zip(ids, online, strict=True)
        for difference in differences(key, row, offline[key])
    ]
    if found:
        raise OnlineValuesDiffer([str(item) for item in found])
    return tuple(ids)
