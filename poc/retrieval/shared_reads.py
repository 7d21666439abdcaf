"""Reads that arrive in one turn of an event loop, answered by one read of all their entities.

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

Found = list[EntityFeatures | None]


@dataclass(slots=True)
class _Turn:
    """What is to be read at the end of this turn of `loop`, and who waits for it besides who reads."""

    loop: asyncio.AbstractEventLoop
    keys: list[EntityKey]
    # None says: not found out for you, read by yourself.
    waiting: list[asyncio.Future[Found | None]] = field(default_factory=list)


class _OfThread(threading.local):
    turn: _Turn | None = None
    under_way = 0


class SharedReads:
    """Calls `read`, once for all who ask in one turn. Safe to use from many event loops at once.

    While nothing is read, who asks reads at once. Otherwise the first of a turn reads, at its end, for all. A
    read that fails may fail by one entity, or the nodes of one: then each reads its own. Where none came in
    time nobody has time for another.
    """

    def __init__(self, read: Callable[[Sequence[EntityKey]], Awaitable[Found]]) -> None:
        self._read, self._here = read, _OfThread()

    async def read(self, keys: Sequence[EntityKey]) -> Found:
        """Return what `read` returns for `keys`, and raise what it raises."""
        here = self._here
        if here.under_way == 0:
            here.under_way = 1
            try:
                return await self._read(keys)
            finally:
                here.under_way -= 1
        loop, turn = asyncio.get_running_loop(), here.turn
        if turn is None or turn.loop is not loop or len(turn.keys) + len(keys) > MOST_KEYS:
            return await self._for_all(_Turn(loop, list(keys)), keys)
        start = len(turn.keys)
        turn.keys.extend(keys)
        answer: asyncio.Future[Found | None] = loop.create_future()
        turn.waiting.append(answer)
        found = await answer
        return await self._read(keys) if found is None else found[start : start + len(keys)]

    async def _for_all(self, turn: _Turn, own: Sequence[EntityKey]) -> Found:
        here, failure = self._here, None
        found: Found | None = None
        here.turn, here.under_way = turn, here.under_way + 1
        try:
            try:
                await asyncio.sleep(0)
            finally:
                if here.turn is turn:
                    here.turn = None
            found = await self._read(turn.keys)
        except AnswerTooLate as error:
            failure = error
            raise
        except Exception:
            if not turn.waiting:
                raise
        finally:
            here.under_way -= 1
            # Also where whoever reads was cancelled.
            for answer in turn.waiting:
                if not answer.done():
                    answer.set_result(found) if failure is None else answer.set_exception(failure)
        return await self._read(own) if found is None else found[: len(own)]
