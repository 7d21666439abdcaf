"""What a run does to a view, chosen before the first write: the interval, and what has to make way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING

from poc.dataset.stored import newest_event
from poc.definitions import FeatureSet, applied_view
from poc.errors import DirectTableDiffers, LoadTakenBack, NothingToMaterialize, ValuesInTheWay
from poc.materialization.direct import DirectTable
from poc.materialization.obstacles import STOCK, StockTable
from poc.materialization.offline import count_in_interval, interval_fingerprint
from poc.materialization.rebuild import row_store
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.verification import SAMPLES, online_store_holds
from poc.materialization.window import Window, beside, cut_at_now, full_window, given_window, next_window
from poc.online_store.generations import TAKEN_BACK
from poc.online_store.session import Session

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class Wish:
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
        stock: the table, where the online store is Feast's own layout.
        remake_direct, empty_stock: what has to make way.
    """

    definitions: FeatureSet
    direct: DirectTable | None
    last: MaterializationRun | None
    window: Window
    has_rows: bool
    stock: StockTable | None
    remake_direct: bool
    empty_stock: bool


def plan_view(
    store: "FeatureStore",
    session: Session,
    record: MaterializationRecord,
    definitions: FeatureSet,
    wish: Wish,
    *,
    served: bool = True,
) -> Planned:
    """Decide what a run as wished does to one view. Reads; changes nothing.

    Args:
        served: whether the service takes the view, which then has a direct table.

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
        if not wish.replace:
            raise
        remake = True
    window = _choose_window(store, definitions, wish, last)
    if window.anew and not wish.full:
        _refuse_taken_back(store, definitions)
    window = cut_at_now(window, wish.until if wish.end is None else wish.end)
    has_rows = window.continues or count_in_interval(definitions, window.start, window.end) > 0
    stock, in_the_way = _stock_table(store, session, definitions), []
    if stock is not None and window.anew and has_rows:
        in_the_way = stock.in_the_way(window.start, window.end)
        if in_the_way and not wish.replace:
            raise ValuesInTheWay(str(stock), in_the_way)
    return Planned(definitions, direct, last, window, has_rows, stock, remake, bool(in_the_way))


def _stock_table(store: "FeatureStore", session: Session, definitions: FeatureSet) -> StockTable | None:
    if store.config.online_store.type != STOCK:
        return None
    return StockTable(store, session, definitions)


def require_rows(planned: Sequence[Planned]) -> None:
    """Let a view without rows in its interval pass where it was filled before, and another has some.

    Raises:
        NothingToMaterialize: it was not, or no view has any.
    """
    empty = [item for item in planned if not item.has_rows]
    for item in empty:
        if item.last is None or len(empty) == len(planned):
            path, window = item.definitions.source_path, item.window
            raise NothingToMaterialize(path, window.start, window.end, newest_event(item.definitions))


def _refuse_taken_back(store: "FeatureStore", definitions: FeatureSet) -> None:
    """Let nothing load by itself what a person took back."""
    rows = row_store(store)
    if rows is None:
        return
    for generation in rows.generations(store.config).known(definitions.view):
        filled = generation.filled
        if generation.state != TAKEN_BACK or filled is None:
            continue
        if interval_fingerprint(definitions, filled.covered_from, filled.covered_until) == filled.content:
            raise LoadTakenBack(definitions.view, generation.number)


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
        return beside(full_window(end, ttl, "as asked", anew=False), last, held, fingerprint)
    until = applied_view(store, definitions.view).most_recent_end_time
    if until is not None and until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    asked = None if wish.until is None else wish.until.replace(microsecond=0)
    return next_window(now, ttl, last, until, held, fingerprint, asked)
