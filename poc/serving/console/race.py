"""Two ways of reading the same entities, in turns, timed.

Knows how to time reads in a server that goes on answering: one awaited read at a time, and few of them a
call. What the numbers come to is drawn and worded by the page.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from poc.errors import RaceUnderWay
from poc.retrieval.source import EntityFeatures, EntityKey, FeatureSource
from poc.serving.kept import Kept

MOST_READS = 100
# Between two calls connections and caches go cold.
WARM_UP_READS = 5


@dataclass(slots=True)
class Heat:
    """What one call measured.

    Attributes:
        latencies_ms: by the way's name, of each counted read. Position i is the same key for both ways.
        differing: counted keys of which the two ways gave different values or event times.
    """

    latencies_ms: dict[str, list[float]]
    differing: int = 0


class Rival:
    """The way of reading that this server does not take itself: opened by the first race, then kept."""

    def __init__(self, name: str, opens: Callable[[], FeatureSource]) -> None:
        self.name, self._opens = name, opens
        self._source: FeatureSource | None = None

    async def get(self) -> FeatureSource:
        """Return the source. Where it cannot be opened, the next race tries again."""
        if self._source is None:
            self._source = await run_in_threadpool(self._opens)
        return self._source

    def close(self) -> None:
        """Give the source up, if a race has opened it."""
        if self._source is not None:
            self._source.close()


class Race:
    """Races between a server's own source, which is called `name`, and its rival, one at a time."""

    def __init__(self, name: str, features: "Kept[FeatureSource]", rival: Rival) -> None:
        self._name, self._features, self._rival = name, features, rival
        self._running = asyncio.Lock()

    async def run(self, keys: Sequence[EntityKey], reads: int) -> Heat:
        """Read `reads` entities, drawn from `keys`, by each way, after some uncounted ones.

        Raises:
            RaceUnderWay: another one has not ended.
            PocError: a way cannot be read.
        """
        if self._running.locked():
            raise RaceUnderWay
        async with self._running:
            own = self._features.get()
            sources = {self._name: own, self._rival.name: await self._rival.get()}
            heat = Heat({name: [] for name in sources})
            draw = random.Random()
            # Drawn for each turn, a key and who reads it first: a slow moment meets both alike.
            for turn in range(-WARM_UP_READS, reads):
                key, answers = draw.choice(keys), []
                for name in draw.sample(list(sources), len(sources)):
                    started = time.perf_counter_ns()
                    answers.append(await sources[name].read([key]))
                    if turn >= 0:
                        # A nanosecond is more than a clock can tell.
                        heat.latencies_ms[name].append(round((time.perf_counter_ns() - started) / 1e6, 4))
                one, other = map(_said, answers)
                heat.differing += turn >= 0 and one != other
            return heat


def _said(answer: Sequence[EntityFeatures | None]) -> object:
    return [None if item is None else (item.values, item.event_timestamp) for item in answer]
