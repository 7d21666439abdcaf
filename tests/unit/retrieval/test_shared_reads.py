"""Reads that are asked for at one time, and what becomes of each where one fails or is given up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timezone

import pytest

from poc.errors import AnswerTooLate, FeaturesOutdated
from poc.retrieval.shared_reads import MOST_KEYS, Found, SharedReads
from poc.retrieval.source import EntityFeatures, EntityKey

WHEN = datetime(2026, 11, 1, tzinfo=timezone.utc)


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
    """Ask at one time, while another read is under way."""
    async with busy(reads):
        return await at_once(reads, *asked)


@asynccontextmanager
async def busy(reads: SharedReads) -> AsyncIterator[None]:
    before = asyncio.create_task(reads.read([("before",)]))
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
    assert store.reads == [["before"], ["a", "b", "nobody", "a"]]


def test_who_asks_while_nothing_is_read_waits_for_no_turn() -> None:
    async def first_step() -> list[list[str]]:
        store = Store()
        reading = SharedReads(store.read).read([("a",)])
        reading.send(None)
        reading.close()
        return store.reads

    assert asyncio.run(first_step()) == [["a"]]


def test_who_asks_later_does_not_get_an_earlier_answer() -> None:
    store = Store()

    async def one_after_the_other() -> None:
        reads = SharedReads(store.read)
        first = asyncio.create_task(reads.read([("a",)]))
        await asyncio.sleep(0.005)
        await reads.read([("b",)])
        await first

    asyncio.run(one_after_the_other())
    assert store.reads == [["a"], ["b"]]


def test_an_entity_that_cannot_be_read_fails_nobody_else() -> None:
    store = Store("broken")
    found = asyncio.run(together(SharedReads(store.read), ["broken"], ["a"], ["b"]))
    assert isinstance(found[0], FeaturesOutdated)
    assert found[1:] == [["a"], ["b"]]


def test_who_is_alone_and_fails_does_not_try_again() -> None:
    store = Store("broken")
    [found] = asyncio.run(together(SharedReads(store.read), ["broken"]))
    assert isinstance(found, FeaturesOutdated)
    assert store.reads == [["before"], ["broken"]]


def test_a_store_that_does_not_answer_in_time_is_asked_once_and_everybody_told() -> None:
    store = Store(silent=True)
    found = asyncio.run(together(SharedReads(store.read), ["a"], ["b"]))
    assert [type(item) for item in found] == [AnswerTooLate] * 2
    assert store.reads == [["before"], ["a", "b"]]


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
    assert list(map(len, store.reads)) == [1, MOST_KEYS, 1]


def test_two_event_loops_at_once_get_each_its_own_answers() -> None:
    reads = SharedReads(Store().read)

    async def many(name: str) -> list[list[str | None] | BaseException]:
        return [found for _ in range(50) for found in await together(reads, [name], [name])]

    async def in_two_threads() -> list[list[list[str | None] | BaseException]]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, many(name)) for name in "ab"))

    assert asyncio.run(in_two_threads()) == [[["a"]] * 100, [["b"]] * 100]
