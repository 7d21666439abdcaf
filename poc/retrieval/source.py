"""What a feature source is: the features of a service's entities, however they are read."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from poc.definitions import ServedFeatures

if TYPE_CHECKING:
    from feast.types import FeastType

T = TypeVar("T")
Value: TypeAlias = float | int | str | bool | bytes | datetime | list[Any] | None
# The values of a service's join keys, in the order of `ServedFeatures.join_keys`.
EntityKey: TypeAlias = tuple[Any, ...]
# What no entity is called; Cassandra refuses an empty key.
PROBE_TEXT = "\N{EM DASH}"


@dataclass(frozen=True, slots=True)
class EntityFeatures:
    """The online features of one entity: of one combination of the service's join keys.

    Attributes:
        values: the served features by name, in their order, but for those that are missing; None where the
            stored value is null or not a number.
        event_timestamp: when these values were true, UTC-aware; of several views the oldest.
        stale: whether those of a view are older than its ttl, now.
        missing: features that were never written for this entity, as one that was applied and not
            materialized: which is another thing than null.
    """

    key: EntityKey
    values: Mapping[str, Value]
    event_timestamp: datetime
    stale: bool
    missing: tuple[str, ...] = ()


class FeatureSource(Protocol):
    """Reads online features. Safe to use from many event loops at once, which it does not block."""

    @property
    def name(self) -> str:
        """The source's name in answers and metric labels, for example `feast` or `direct`."""

    @property
    def served(self) -> ServedFeatures:
        """What is read at present. It may change while the source is used; then it is another object."""

    async def read(self, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        """Read the features of the entities `keys`, in their order; None for one that is unknown.

        An entity is unknown if a view of the service has no row for it.

        Raises:
            FeaturesUnavailable: no answer within the source's time limit.
            FeaturesNotApplied: the registry does not know the features, or the online store has no table.
            FeaturesNotMaterialized: the store was never filled.
            FeaturesOutdated: what is stored does not fit the present definitions.
        """

    async def check(self) -> None:
        """Find out whether `read` can succeed now; raise what it raises."""

    def close(self) -> None:
        """Give up connections and threads; blocks for a moment. A second call does nothing."""


def utc_now() -> datetime:
    """Return the time, UTC-aware."""
    return datetime.now(timezone.utc)


def is_stale(event_timestamp: datetime, ttl: timedelta | None, now: datetime) -> bool:
    """Return whether values of `event_timestamp` are older than `ttl`; without a ttl they never are."""
    return ttl is not None and now - event_timestamp > ttl


def python_type(dtype: "FeastType") -> type:
    """Return the Python type that values of `dtype` have."""
    from feast.types import Bool, Bytes, Float32, Float64, Int32, Int64, String, UnixTimestamp

    kinds: dict[FeastType, type] = {Float32: float, Float64: float, Int32: int, Int64: int, Bool: bool}
    return (kinds | {Bytes: bytes, String: str, UnixTimestamp: datetime}).get(dtype, list)


def probe_key(served: ServedFeatures) -> EntityKey:
    """Return a key that finds nothing, or something: it tells whether reads work."""
    from poc.online_store.types import EPOCH

    probes = {bool: False, bytes: PROBE_TEXT.encode(), float: 0.0, int: 0, datetime: EPOCH}
    return tuple(probes.get(python_type(key.dtype), PROBE_TEXT) for key in served.join_keys)


async def within(seconds: float, work: Awaitable[T], late: Callable[[], Exception]) -> T:
    """Await `work` in the calling task; after `seconds` cancel it, and raise what `late` makes.

    `asyncio.wait_for` makes a task for each call before Python 3.12, which costs a tenth of a read.
    """
    task = asyncio.current_task()
    assert task is not None
    passed = False

    def expire() -> None:
        nonlocal passed
        passed = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        return await work
    except asyncio.CancelledError:
        if not passed:
            raise
        if hasattr(task, "uncancel") and task.uncancel() > 0:
            raise  # Somebody else wants it cancelled as well.
        raise late() from None
    finally:
        timer.cancel()
