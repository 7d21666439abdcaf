"""What a run does to a view, chosen before the first write: the interval, and what has to make way.

A full run cannot replace everything in the stock layout, whose table has one name and one set of values,
written at their event time. A stored value of a later time stays, and of two values of one time Cassandra
keeps neither as a whole; an entity that the source has no more is never written again.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from poc.dataset.stored import newest_event
from poc.dataset.values import same_event_time, same_value
from poc.definitions import FeatureSet, applied_view
from poc.errors import DirectTableDiffers, LoadTakenBack, NothingToMaterialize, ValuesInTheWay
from poc.materialization import window as windows
from poc.materialization.direct import DirectTable
from poc.materialization.offline import IntervalRows, count_in_interval, interval_fingerprint
from poc.materialization.rebuild import row_store
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.stored_rows import BATCH, NEVER_WRITTEN, beside_stored, by_reader
from poc.materialization.verification import SAMPLES, online_store_holds
from poc.online_store.errors import WrittenByAnotherEngine
from poc.online_store.generations import TAKEN_BACK
from poc.online_store.naming import Table, quoted, stock_table_name
from poc.online_store.partitions import count_partitions, estimate_partitions
from poc.online_store.session import Session
from poc.online_store.stock_layout import CELL_TIMES, refuse_wall_clock_cells
from poc.online_store.stock_store import StockCassandraOnlineStore

if TYPE_CHECKING:
    from feast import FeatureStore

_STOCK = "cassandra"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person asked for; all unset means: what is needed.

    Attributes:
        full: what is not stale, whatever was materialized before.
        start: begin of the interval, UTC, inclusive; None for the view's ttl before `end`.
        end: its end, UTC, exclusive; None for now, and taken for now where it lies in the future.
        until: of what is needed, the part before this moment, UTC; None for now.
        replace: empty tables of fixed names, or make them anew, where a run cannot replace what they hold.
        view: the only one that is meant, of the feature service or not; None for all of the service.
    """

    full: bool = False
    start: datetime | None = None
    end: datetime | None = None
    until: datetime | None = None
    replace: bool = False
    view: str | None = None


@dataclass(frozen=True, slots=True)
class Planned:
    """What is to be done for one view.

    Attributes:
        direct: its direct table; None for a view that the service does not take.
        last: the last recorded run into this online store; None where there is none.
        emptied: the stock table that has to be emptied first, if any.
        remake_direct: whether the direct table has to be made anew.
    """

    definitions: FeatureSet
    direct: DirectTable | None
    last: MaterializationRun | None
    window: windows.Window
    has_rows: bool
    emptied: Table | None
    remake_direct: bool


def plan_view(
    store: "FeatureStore",
    session: Session,
    record: MaterializationRecord,
    definitions: FeatureSet,
    options: RunOptions,
    *,
    served: bool,
) -> Planned:
    """Decide what a run as wished does to one view, `served` if the service takes it. Changes nothing.

    Raises:
        DirectTableDiffers: the direct table has columns of other types, and may not be made anew.
        LoadTakenBack: a person took back what the run would load.
        ValuesInTheWay: the stock layout holds values that the run cannot replace, and may not be emptied.
    """
    last = record.last(session, store.config.online_store.type, definitions.view)
    direct = DirectTable(store, record.keyspace, definitions.view) if served else None
    remake = False
    try:
        if direct is not None:
            direct.require_usable(session)
    except DirectTableDiffers:
        if not options.replace:
            raise
        remake = True
    window = _choose_window(store, definitions, options, last)
    if window.anew and not options.full:
        _refuse_taken_back(store, definitions)
    window = windows.cut_at_now(window, options.until if options.end is None else options.end)
    has_rows = window.continues or count_in_interval(definitions, window.start, window.end) > 0
    emptied = None
    if window.anew and has_rows and store.config.online_store.type == _STOCK:
        table = (store.config.online_store.keyspace, stock_table_name(store.project, definitions.view))
        if in_the_way := _in_the_way(store, session, table, definitions, window):
            if not options.replace:
                raise ValuesInTheWay(".".join(table), in_the_way)
            emptied = table
    return Planned(definitions, direct, last, window, has_rows, emptied, remake)


def require_rows(planned: Sequence[Planned]) -> None:
    """Let a view without rows in its interval pass where it was filled before, and another has some.

    Raises NothingToMaterialize: it was not, or no view has any.
    """
    empty = [item for item in planned if not item.has_rows]
    for item in empty:
        if item.last is None or len(empty) == len(planned):
            path, window = item.definitions.source_path, item.window
            past = newest_event(item.definitions, datetime.now(timezone.utc))
            newest = newest_event(item.definitions) if past is None else past
            waits = past is None and newest is not None
            raise NothingToMaterialize(path, window.start, window.end, newest, waits)


def _refuse_taken_back(store: "FeatureStore", definitions: FeatureSet) -> None:
    """Let nothing load by itself what a person took back."""
    rows = row_store(store)
    for generation in [] if rows is None else rows.generations(store.config).known(definitions.view):
        filled = generation.filled
        if generation.state == TAKEN_BACK and filled is not None:
            covered = (filled.covered_from, filled.covered_until)
            if interval_fingerprint(definitions, *covered) == filled.content:
                raise LoadTakenBack(definitions.view, generation.number)


def _choose_window(
    store: "FeatureStore", definitions: FeatureSet, options: RunOptions, last: MaterializationRun | None
) -> windows.Window:
    # Cassandra keeps milliseconds; a finer end would not be found again in the record.
    now = datetime.now(timezone.utc).replace(microsecond=0)
    end, ttl = now if options.end is None else min(options.end, now), definitions.ttl
    if options.full and options.start is None and options.end is None:
        return windows.full_window(end, ttl, "as asked")
    held = online_store_holds(store, definitions, SAMPLES)
    fingerprint = partial(interval_fingerprint, definitions)
    if options.start is not None or options.end is not None:
        whole = windows.full_window(end, ttl, "as asked", anew=False)
        wanted = whole if options.start is None else windows.given_window(options.start, end)
        return windows.covering_last(wanted, last, held, fingerprint)
    until = applied_view(store, definitions.view).most_recent_end_time
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    asked = None if options.until is None else options.until.replace(microsecond=0)
    return windows.next_window(now, ttl, last, until, held, fingerprint, asked)


def _in_the_way(
    store: "FeatureStore", session: Session, table: Table, definitions: FeatureSet, window: windows.Window
) -> list[str]:
    """Say what of the values in the stock table the source's rows in `window` cannot replace."""
    if not estimate_partitions(session, *table):
        return []
    found, name = [], ".".join(map(quoted, table))
    try:
        cells = session.execute(CELL_TIMES.format(table=name)).all()
        refuse_wall_clock_cells(definitions.view, name, [tuple(cell) for cell in cells])
    except WrittenByAnotherEngine:
        found = ["values written at wall-clock time, by Feast's own engine or by a push"]
    source = IntervalRows(definitions, window.start, window.end).batches(BATCH)
    later = differing = matched = 0
    # Which features rows lack, and how many lack these.
    lacking: Counter[frozenset[int]] = Counter()
    with closing(StockCassandraOnlineStore()) as own:
        reader = own.reader(store.config, applied_view(store, definitions.view), definitions.names)
        for row in beside_stored(source, by_reader(reader, definitions), definitions):
            held = row.stored
            if held is None:
                continue
            matched += 1
            if held.event_time is None or row.is_outdated:
                later += 1
            elif same_event_time(held.event_time, row.event_time):
                pairs = enumerate(zip(held.values, row.values, strict=True))
                others = {place for place, (stored, value) in pairs if not same_value(stored, value)}
                lacked = frozenset(place for place in others if held.values[place] is NEVER_WRITTEN)
                lacking[lacked] += 1
                differing += others != lacked
    # What all rows lack is a feature that was added since. What only some lack was deleted: no write at its
    # event time undoes that.
    added = frozenset.intersection(*lacking) if lacking else frozenset()
    deleted = sum(count for lacked, count in lacking.items() if lacked - added)
    said = (
        (later, "of a later event time"),
        (differing, "corrected at the same event time"),
        (deleted, "with a value that was deleted"),
        ((count_partitions(session, *table) or 0) - matched, "of entities that the source does not have"),
    )
    return [*found, *(f"{count:,} {what}" for count, what in said if count > 0)]
