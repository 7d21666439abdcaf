"""What a feature source is: the features of transactions, however they are read."""

from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Protocol, TypeAlias

Value = float | int | str | bool | bytes | None


@dataclass(frozen=True, slots=True)
class TransactionFeatures:
    """The online features of one transaction.

    Attributes:
        transaction_id: the entity's join key.
        values: every declared feature by name, in declared order; None where the stored value is null
            or not a number.
        event_timestamp: when these values were true, UTC-aware.
        stale: whether they are older than the view's ttl, now.
    """

    transaction_id: str
    values: Mapping[str, Value]
    event_timestamp: datetime
    stale: bool


AsyncRead: TypeAlias = Callable[[Sequence[str]], Awaitable[list[TransactionFeatures | None]]]


class FeatureSource(Protocol):
    """Reads online features. Safe to use from many threads at once."""

    @property
    def name(self) -> str:
        """The source's name in answers and metric labels, for example `feast` or `direct`."""
        ...

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The declared features, in declared order."""
        ...

    def read(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        """Read the features of `transaction_ids`, in their order; None for a transaction that is unknown.

        Raises:
            FeaturesUnavailable: no answer within the source's request timeout.
            FeaturesNotApplied: the online store's table is gone.
            FeaturesNotMaterialized: the store was never filled.
            FeaturesOutdated: what is stored does not fit the present definitions.
        """
        ...

    @property
    def async_read(self) -> AsyncRead | None:
        """Does what `read` does, awaited in the event loop of `use_loop`, which it never blocks.

        None where the store's driver would block: `read` then belongs into a thread.
        """
        ...

    def use_loop(self, loop: AbstractEventLoop) -> None:
        """Make ready to be read from `loop`, where that can be had. Called from another thread, once.

        Raises:
            PocError: the settings demand it, and it cannot be had.
        """
        ...

    def check(self) -> None:
        """Find out whether `read` can succeed now.

        Raises:
            FeaturesUnavailable: what is read does not answer.
            FeaturesNotApplied: the definitions were never applied.
            FeaturesNotMaterialized: the store was never filled.
        """
        ...

    def close(self) -> None:
        """Give up connections and threads. A second call does nothing."""
        ...


def utc_now() -> datetime:
    """Tell the time, UTC-aware."""
    return datetime.now(timezone.utc)


def as_utc(stored: datetime) -> datetime:
    """Make a timestamp that a store gave UTC-aware; drivers give naive ones and mean UTC."""
    return stored.replace(tzinfo=timezone.utc) if stored.tzinfo is None else stored


def is_stale(event_timestamp: datetime, ttl: timedelta | None, now: datetime) -> bool:
    """Tell whether values of `event_timestamp` are older than `ttl`; without a ttl they never are."""
    return ttl is not None and now - event_timestamp > ttl
