"""Reads that are asked for while others are under way, answered by one read of all their entities.

Under load a server has several requests at hand at a time. Feast's call takes many entities, and each more
costs it and Cassandra a fraction of the first.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

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
    """What is to be read next in `loop`, and who waits for it besides who reads."""

    loop: asyncio.AbstractEventLoop
    keys: list[EntityKey]
    # None says: not found out for you, read by yourself.
    waiting: list[asyncio.Future[Found | None]] = field(default_factory=list)
    begins: asyncio.Event = field(default_factory=asyncio.Event)


class _OfThread(threading.local):
    next: _Next | None = None
    keys_under_way = 0


class SharedReads:
    """Calls `read`, once for all who ask while `MANY_KEYS` are being read. Safe to use from many event loops.

    The first of them reads for all, when those are read, and no later than `LONGEST_SECONDS`. A read that
    fails may fail by one entity, or the nodes of one: then each reads its own. Where none came in time nobody
    has time for another.
    """

    def __init__(self, read: Callable[[Sequence[EntityKey]], Awaitable[Found]]) -> None:
        self._read, self._here = read, _OfThread()

    async def read(self, keys: Sequence[EntityKey]) -> Found:
        """Return what `read` returns for `keys`, and raise what it raises."""
        here = self._here
        if here.keys_under_way < MANY_KEYS and here.next is None:
            return await self._counted(keys)
        loop, shared = asyncio.get_running_loop(), here.next
        if shared is None or shared.loop is not loop or len(shared.keys) + len(keys) > MOST_KEYS:
            self._begin()
            return await self._for_all(_Next(loop, list(keys)), keys)
        start = len(shared.keys)
        shared.keys.extend(keys)
        answer: asyncio.Future[Found | None] = loop.create_future()
        shared.waiting.append(answer)
        found = await answer
        return await self._read(keys) if found is None else found[start : start + len(keys)]

    async def _for_all(self, shared: _Next, own: Sequence[EntityKey]) -> Found:
        here, failure = self._here, None
        found: Found | None = None
        here.next = shared
        try:
            try:
                longest = shared.loop.call_later(LONGEST_SECONDS, shared.begins.set)
                await shared.begins.wait()
            finally:
                longest.cancel()
                if here.next is shared:
                    here.next = None
            found = await self._counted(shared.keys)
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
        return await self._read(own) if found is None else found[: len(own)]

    async def _counted(self, keys: Sequence[EntityKey]) -> Found:
        here, count = self._here, len(keys)
        here.keys_under_way += count
        try:
            return await self._read(keys)
        finally:
            here.keys_under_way -= count
            if here.keys_under_way < MANY_KEYS:
                self._begin()

    def _begin(self) -> None:
        """Let what is next be read now."""
        shared = self._here.next
        if shared is not None and shared.loop.is_running():
            shared.begins.set()
