"""Reads that are asked for while others are under way, answered by one read of all their entities.

Of those each more costs Feast's call, and Cassandra, a fraction of the first (docs/adr/0020).
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from poc.errors import AnswerTooLate
from poc.retrieval.source import EntityFeatures, EntityKey

# As many as the row store asks for in one statement.
MOST_KEYS = 20
# While fewer are being read, who asks reads at once: held back, one or two clients would gain nothing.
MANY_KEYS = 3
# How long who asks is held back at most: what a read takes, of a Cassandra that is near.
LONGEST_SECONDS = 0.001

Found = list[EntityFeatures | None]


@dataclass(slots=True)
class _Next:
    """What is to be read next, and who waits for it besides who reads."""

    keys: list[EntityKey]
    # None says: not found out for you, read by yourself.
    waiting: list[asyncio.Future[Found | None]] = field(default_factory=list)
    begins: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _OfLoop:
    """What is under way in one event loop."""

    next: _Next | None = None
    keys_under_way: int = 0

    def begin(self) -> None:
        """Let what is next be read now."""
        if self.next is not None:
            self.next.begins.set()


class SharedReads:
    """Calls `read`, once for all who ask while `MANY_KEYS` are being read. Safe to use from many event loops.

    The first of them reads for all, when those are read, and no later than `LONGEST_SECONDS`. A read that
    fails may fail by one entity, or the nodes of one: then each reads its own, in what `within` leaves of its
    time when it is told how many seconds are spent. Where none came in time nobody has time for another.
    """

    def __init__(
        self,
        read: Callable[[Sequence[EntityKey]], Awaitable[Found]],
        within: Callable[[Coroutine[Any, Any, Found], float], Awaitable[Found]],
    ) -> None:
        self._read, self._within = read, within
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = WeakKeyDictionary()

    async def read(self, keys: Sequence[EntityKey]) -> Found:
        """Return what `read` returns for `keys`, and raise what it raises."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            here = self._loops.setdefault(loop, _OfLoop())
        # Nobody has place beside so many.
        if len(keys) >= MOST_KEYS or (here.next is None and here.keys_under_way < MANY_KEYS):
            return await self._counted(here, keys)
        came, start = loop.time(), 0
        if here.next is None or len(here.next.keys) + len(keys) > MOST_KEYS:
            here.begin()
            here.next = _Next(list(keys))
            found = await self._for_all(here, here.next)
        else:
            start = len(here.next.keys)
            here.next.keys.extend(keys)
            answer: asyncio.Future[Found | None] = loop.create_future()
            here.next.waiting.append(answer)
            if len(here.next.keys) == MOST_KEYS:
                here.begin()
            found = await answer
        if found is None:
            return await self._within(self._counted(here, keys), loop.time() - came)
        return found[start : start + len(keys)]

    async def _for_all(self, here: _OfLoop, shared: _Next) -> Found | None:
        found: Found | None = None
        failure: AnswerTooLate | None = None
        try:
            await _held_back(here, shared)
            found = await self._counted(here, shared.keys)
        except AnswerTooLate as error:
            failure = error
            raise
        except Exception:
            if not shared.waiting:
                raise
        finally:
            # Also where whoever reads was cancelled.
            for answer in shared.waiting:
                if not answer.done():
                    answer.set_result(found) if failure is None else answer.set_exception(failure)
        return found

    async def _counted(self, here: _OfLoop, keys: Sequence[EntityKey]) -> Found:
        here.keys_under_way += len(keys)
        try:
            return await self._read(keys)
        finally:
            here.keys_under_way -= len(keys)
            if here.keys_under_way < MANY_KEYS:
                here.begin()


async def _held_back(here: _OfLoop, shared: _Next) -> None:
    longest = asyncio.get_running_loop().call_later(LONGEST_SECONDS, shared.begins.set)
    try:
        await shared.begins.wait()
    finally:
        longest.cancel()
        if here.next is shared:
            here.next = None
