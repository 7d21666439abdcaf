"""Which interval a materialization covers: all that is not stale, or what is new since the last run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from functools import partial

from poc.materialization.records import MaterializationRun

# Everything is later. Pandas, which Feast's own stores ask, knows nothing before 1677.
EARLIEST = datetime(1700, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Window:
    """An interval of event time to materialize.

    Attributes:
        covered_from: begin of what the online store holds once this is done, inclusive, UTC.
        why: what led to it, for a person.
        continues: whether it goes on where the last run ended, and writes nothing anew.
        anew: whether it takes the place of all that was stored.
    """

    start: datetime
    end: datetime
    covered_from: datetime
    covered_until: datetime
    why: str
    continues: bool = False
    anew: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing in it to do: an earlier run went as far."""
        return self.start >= self.end

    def __str__(self) -> str:
        if self.is_empty:
            return f"Nothing is new: materialized up to {self.start:%Y-%m-%dT%H:%M:%S} UTC before"
        interval = f"{self.start:%Y-%m-%dT%H:%M:%S} to {self.end:%Y-%m-%dT%H:%M:%S} UTC"
        return f"Materializing {interval} ({self.why})"


def given_window(start: datetime, end: datetime) -> Window:
    """Take the interval a person gave."""
    return Window(start, end, start, end, "as given")


def full_window(end: datetime, ttl: timedelta | None, why: str, anew: bool = True) -> Window:
    """Take what a view of this `ttl` needs to have at `end`: everything where it has none."""
    start, what = _full_start(end, ttl), "everything"
    if ttl is not None:
        whole_days = ttl.days > 1 and ttl == timedelta(days=ttl.days)
        what = f"the last {f'{ttl.days} days' if whole_days else in_words(ttl)}"
    return Window(start, end, start, end, f"{what}: {why}", anew=anew)


def cut_at_now(window: Window, asked: datetime | None) -> Window:
    """Say why `window` ends before the `asked` end, if it does: rows in the future wait."""
    if asked is None or asked <= window.end:
        return window
    return replace(window, why=f"{window.why}; up to now, as {asked:%Y-%m-%dT%H:%M:%S} lies in the future")


def covering_last(
    window: Window,
    last: MaterializationRun | None,
    online_store_holds_samples: bool,
    fingerprint: Callable[[datetime, datetime], str],
) -> Window:
    """Let `window` cover what the last run did, too, where it meets that and nothing there has changed.

    A backfill, or a run that ends earlier, takes nothing away: the online store keeps the newest rows.
    """
    if last is None or not online_store_holds_samples:
        return window
    before = (last.covered_from, last.covered_until)
    apart = window.end < last.covered_from or window.start > last.covered_until
    if apart or last.covered_until > last.reached or fingerprint(*before) != last.content:
        return window
    covered_from, covered_until = min(window.start, before[0]), max(window.end, before[1])
    return replace(window, covered_from=covered_from, covered_until=covered_until)


def next_window(
    now: datetime,
    ttl: timedelta | None,
    last: MaterializationRun | None,
    registry_until: datetime | None,
    online_store_holds_samples: bool,
    fingerprint: Callable[[datetime, datetime], str],
    until: datetime | None = None,
) -> Window:
    """Choose the interval of an ordinary run: what is new, while all before is as it was (docs/adr/0004).

    Args:
        registry_until: end of the newest interval in Feast's registry, UTC; None if it has none.
        fingerprint: summarizes the Parquet's rows in an interval.
        until: end of the interval a schedule asks for, UTC; None for `now`. An end that an earlier run
            went beyond, or one in the future, is not taken: what is covered never shrinks, and is never
            said of rows that cannot be there yet.
    """
    end = now
    if until is not None:
        end = min(now, until if last is None else max(until, last.covered_until))
    full = partial(full_window, end, ttl)
    if last is None:
        return full("first run")
    if registry_until is None:
        return full("Feast's registry has no run of it, as after apply of a changed view")
    if not online_store_holds_samples:
        return full("the online store is empty")
    if last.covered_until > last.reached:
        return full("the last run reached into the future")
    if _full_start(now, ttl) < last.covered_from:
        return full("the ttl reaches further back than the last run did")
    if fingerprint(last.covered_from, last.covered_until) != last.content:
        return full("the data or the definitions changed")
    start = min(last.covered_until, registry_until)
    return Window(start, end, last.covered_from, end, "new since the last run", continues=True)


def in_words(length: timedelta) -> str:
    """Say a length of time in its two greatest units."""
    seconds = int(length.total_seconds())
    counts = {"d": seconds // 86_400, "h": seconds // 3600 % 24, "min": seconds // 60 % 60, "s": seconds % 60}
    named = [f"{count} {unit}" for unit, count in counts.items() if count]
    return " ".join(named[:2]) if named else "0 s"


def _full_start(end: datetime, ttl: timedelta | None) -> datetime:
    return EARLIEST if ttl is None or ttl >= end - EARLIEST else end - ttl
