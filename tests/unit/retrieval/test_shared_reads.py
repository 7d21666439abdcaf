"""Reads that are asked for while others are under way, and what becomes of each where one fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import pytest

from poc.errors import AnswerTooLate, FeaturesOutdated
from poc.retrieval import shared_reads
from poc.retrieval.shared_reads import MANY_KEYS, MOST_KEYS, Found, SharedReads
from poc.retrieval.source import EntityFeatures, EntityKey

WHEN = datetime(2026, 11, 1, tzinfo=timezone.utc)
BEFORE = ["before"] * MANY_KEYS


class Store:
    """Knows every entity but those that it fails for, and takes a moment for each read."""

    def __init__(self, *broken: str, silent: bool = False) -> None:
        self.broken, self.silent = set(broken), silent
        self.reads: list[list[str]] = []

    async def read(self, keys: Sequence[EntityKey]) -> Found:
        names = [key[0] for key in keys]
        self.reads.append(names)
        await asyncio.sleep(0.01)
        if self.silent:
            raise AnswerTooLate("127.0.0.1:9042", 0.5)
        if self.broken.intersection(names):
            raise FeaturesOutdated("a value is no number")
        known = (
            None if name == "nobody" else EntityFeatures((name,), {}, WHEN, stale=False) for name in names
        )
        return list(known)


async def together(reads: SharedReads, *asked: Sequence[str]) -> list[list[str | None] | BaseException]:
    """Ask at one time, while many are read."""
    async with busy(reads):
        return await at_once(reads, *asked)


@asynccontextmanager
async def busy(reads: SharedReads) -> AsyncIterator[None]:
    before = asyncio.create_task(reads.read([(name,) for name in BEFORE]))
    await asyncio.sleep(0)
    yield
    await asyncio.wait([before])


async def at_once(reads: SharedReads, *asked: Sequence[str]) -> list[list[str | None] | BaseException]:
    tasks = [asyncio.create_task(reads.read([(name,) for name in names])) for names in asked]
    return [
        found if isinstance(found, BaseException) else [item and item.key[0] for item in found]
        for found in await asyncio.gather(*tasks, return_exceptions=True)
    ]


def test_what_is_asked_for_at_one_time_is_one_read_and_each_gets_its_own() -> None:
    store = Store()
    found = asyncio.run(together(SharedReads(store.read), ["a"], ["b", "nobody"], ["a"]))
    assert found == [["a"], ["b", None], ["a"]]
    assert store.reads == [BEFORE, ["a", "b", "nobody", "a"]]


def test_while_few_are_read_who_asks_waits_for_nobody() -> None:
    async def first_steps() -> list[list[str]]:
        store = Store()
        reads = SharedReads(store.read)
        started = [reads.read([(f"{number}",)]) for number in range(MANY_KEYS + 1)]
        for reading in started:
            reading.send(None)
        begun = list(store.reads)
        for reading in started:
            reading.close()
        return begun

    assert asyncio.run(first_steps()) == [[f"{number}"] for number in range(MANY_KEYS)]


def test_who_is_held_back_is_read_when_those_before_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 60)
    store = Store()

    async def held_back() -> list[list[str]]:
        reads = SharedReads(store.read)
        async with busy(reads):
            later = asyncio.create_task(at_once(reads, ["a"], ["b"]))
            await asyncio.sleep(0.005)
            begun = list(store.reads)
            await asyncio.wait_for(later, 5)
        return begun

    assert asyncio.run(held_back()) == [BEFORE]
    assert store.reads == [BEFORE, ["a", "b"]]


def test_a_read_that_takes_long_holds_nobody_back() -> None:
    store = Store()

    async def while_it_takes_long() -> bool:
        reads, stays = SharedReads(store.read), asyncio.Event()

        async def stuck(keys: Sequence[EntityKey]) -> Found:
            await stays.wait()
            return [None] * len(keys)

        reads._read = stuck
        before = asyncio.create_task(reads.read([(name,) for name in BEFORE]))
        await asyncio.sleep(0)
        reads._read = store.read
        await asyncio.wait_for(reads.read([("a",)]), 5)
        waited = not before.done()
        stays.set()
        await before
        return waited

    assert asyncio.run(while_it_takes_long())
    assert store.reads == [["a"]]


def test_who_asks_later_does_not_get_an_earlier_answer() -> None:
    store = Store()

    async def one_after_the_other() -> None:
        reads = SharedReads(store.read)
        async with busy(reads):
            first = asyncio.create_task(reads.read([("a",)]))
            await asyncio.sleep(0.005)
            await reads.read([("a",)])
            await first

    asyncio.run(one_after_the_other())
    assert store.reads == [BEFORE, ["a"], ["a"]]


def test_an_entity_that_cannot_be_read_fails_nobody_else() -> None:
    store = Store("broken")
    found = asyncio.run(together(SharedReads(store.read), ["broken"], ["a"], ["b"]))
    assert isinstance(found[0], FeaturesOutdated)
    assert found[1:] == [["a"], ["b"]]


def test_who_is_alone_and_fails_does_not_try_again() -> None:
    store = Store("broken")
    [found] = asyncio.run(together(SharedReads(store.read), ["broken"]))
    assert isinstance(found, FeaturesOutdated)
    assert store.reads == [BEFORE, ["broken"]]


def test_a_store_that_does_not_answer_in_time_is_asked_once_and_everybody_told() -> None:
    store = Store(silent=True)
    found = asyncio.run(together(SharedReads(store.read), ["a"], ["b"]))
    assert [type(item) for item in found] == [AnswerTooLate] * 2
    assert store.reads == [BEFORE, ["a", "b"]]


@pytest.mark.parametrize("seconds", [0.0, 0.005], ids=["before the read", "during the read"])
def test_the_others_are_answered_where_the_first_is_given_up(seconds: float) -> None:
    store = Store()

    async def first_is_cancelled() -> tuple[Found, bool]:
        reads = SharedReads(store.read)
        async with busy(reads):
            first, second = (asyncio.create_task(reads.read([(name,)])) for name in "ab")
            await asyncio.sleep(seconds)
            first.cancel()
            await asyncio.wait([first])
            return await asyncio.wait_for(second, 5), first.cancelled()

    [found], cancelled = asyncio.run(first_is_cancelled())
    assert found is not None and found.key == ("b",) and cancelled


def test_one_of_the_others_that_is_given_up_is_left_out() -> None:
    store = Store()

    async def second_is_cancelled() -> Found:
        reads = SharedReads(store.read)
        async with busy(reads):
            first, second = (asyncio.create_task(reads.read([(name,)])) for name in "ab")
            await asyncio.sleep(0.005)
            second.cancel()
            return await first

    [found] = asyncio.run(second_is_cancelled())
    assert found is not None and found.key == ("a",)


def test_no_read_is_larger_than_its_bound() -> None:
    store = Store()
    asked = [[f"{number}"] for number in range(MOST_KEYS + 1)]
    assert asyncio.run(together(SharedReads(store.read), *asked)) == asked
    assert list(map(len, store.reads)) == [MANY_KEYS, MOST_KEYS, 1]


def test_two_event_loops_at_once_get_each_its_own_answers() -> None:
    reads = SharedReads(Store().read)

    async def many(name: str) -> list[list[str | None] | BaseException]:
        return [found for _ in range(50) for found in await together(reads, [name], [name])]

    async def in_two_threads() -> list[list[list[str | None] | BaseException]]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, many(name)) for name in "ab"))

    assert asyncio.run(in_two_threads()) == [[["a"]] * 100, [["b"]] * 100]
