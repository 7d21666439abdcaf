"""Reads that are asked for while others are under way, and what becomes of each where one fails."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any

import pytest

from poc.errors import AnswerTooLate, FeaturesOutdated
from poc.online_store.keyed_reads import KEYS_PER_STATEMENT
from poc.retrieval import shared_reads
from poc.retrieval.shared_reads import MOST_KEYS, Found, SharedReads
from poc.retrieval.source import EntityFeatures, EntityKey, within

WHEN = datetime(2026, 11, 1, tzinfo=timezone.utc)
# As many as docs/adr/0020 says.
BEFORE = ["before"] * 3
SECONDS = 0.5


class Store:
    """Knows every entity but those that it fails for, and takes a moment for each read.

    It keeps a read of `stuck` until it `goes_on`.
    """

    def __init__(self, *broken: str, silent: bool = False, stuck: str = "") -> None:
        self.broken, self.silent, self.stuck = set(broken), silent, stuck
        self.reads: list[list[str]] = []
        self.goes_on = asyncio.Event()

    async def read(self, keys: Sequence[EntityKey]) -> Found:
        names = [key[0] for key in keys]
        self.reads.append(names)
        await (self.goes_on.wait() if self.stuck in names else asyncio.sleep(0.01))
        if self.silent:
            raise late()
        if self.broken.intersection(names):
            raise FeaturesOutdated("a value is no number")
        known = (
            None if name == "nobody" else EntityFeatures((name,), {}, WHEN, stale=False) for name in names
        )
        return list(known)


def late() -> AnswerTooLate:
    return AnswerTooLate("127.0.0.1:9042", SECONDS)


def shared(store: Store) -> SharedReads:
    def in_time(work: Coroutine[Any, Any, Found], spent: float) -> Coroutine[Any, Any, Found]:
        return within(SECONDS - spent, work, late)

    return SharedReads(store.read, in_time)


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
    found = asyncio.run(together(shared(store), ["a"], ["b", "nobody"], ["a"]))
    assert found == [["a"], ["b", None], ["a"]]
    assert store.reads == [BEFORE, ["a", "b", "nobody", "a"]]


def test_while_few_are_read_who_asks_waits_for_nobody() -> None:
    async def first_steps() -> list[list[str]]:
        store = Store()
        reads = shared(store)
        started = [reads.read([(f"{number}",)]) for number in range(len(BEFORE) + 1)]
        for reading in started:
            reading.send(None)
        begun = list(store.reads)
        for reading in started:
            reading.close()
        return begun

    assert asyncio.run(first_steps()) == [["0"], ["1"], ["2"]]


def test_who_is_held_back_is_read_when_those_before_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store()

    async def held_back() -> list[list[str]]:
        reads = shared(store)
        async with busy(reads):
            later = asyncio.create_task(at_once(reads, ["a"], ["b"]))
            await asyncio.sleep(0.005)
            begun = list(store.reads)
            await asyncio.wait_for(later, 5)
        return begun

    assert asyncio.run(held_back()) == [BEFORE]
    assert store.reads == [BEFORE, ["a", "b"]]


def test_a_read_that_takes_long_holds_nobody_back() -> None:
    store = Store(stuck="before")

    async def while_it_takes_long() -> None:
        reads = shared(store)
        async with busy(reads):
            await asyncio.wait_for(reads.read([("a",)]), 5)
            store.goes_on.set()

    asyncio.run(while_it_takes_long())
    assert store.reads == [BEFORE, ["a"]]


def test_who_is_held_back_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)

    async def timers() -> list[asyncio.TimerHandle]:
        await together(shared(Store()), ["a"], ["b"])
        scheduled: list[asyncio.TimerHandle] = getattr(asyncio.get_running_loop(), "_scheduled")  # noqa: B009
        return [timer for timer in scheduled if not timer.cancelled()]

    assert asyncio.run(timers()) == []


def test_what_is_next_waits_until_few_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store(stuck="before")

    async def one_ends_and_many_stay() -> list[list[str]]:
        reads = shared(store)
        async with busy(reads):
            later = asyncio.create_task(reads.read([("a",)]))
            await reads.read([("large",)] * MOST_KEYS)
            await asyncio.sleep(0.005)
            begun = list(store.reads)
            store.goes_on.set()
            await later
        return begun

    assert asyncio.run(one_ends_and_many_stay()) == [BEFORE, ["large"] * MOST_KEYS]


def test_who_comes_when_what_is_next_begins_is_read_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store(stuck="before")

    async def in_one_turn() -> None:
        reads = shared(store)
        async with busy(reads):
            first = asyncio.create_task(reads.read([("a",)]))
            await asyncio.sleep(0)
            store.goes_on.set()
            second = asyncio.create_task(reads.read([("b",)]))
            await asyncio.wait([first, second])

    asyncio.run(in_one_turn())
    assert store.reads == [BEFORE, ["a", "b"]]


def test_a_shared_read_holds_back_who_comes_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store()

    async def after_it_began() -> None:
        reads = shared(store)
        async with busy(reads):
            first = asyncio.create_task(at_once(reads, ["a"], ["b"], ["c"]))
        await asyncio.sleep(0)
        assert store.reads[1:] == [["a", "b", "c"]]
        await asyncio.gather(first, at_once(reads, ["d"], ["e"]))

    asyncio.run(after_it_began())
    assert store.reads[2:] == [["d", "e"]]


def test_who_asks_later_does_not_get_an_earlier_answer() -> None:
    store = Store()

    async def one_after_the_other() -> None:
        reads = shared(store)
        async with busy(reads):
            first = asyncio.create_task(reads.read([("a",)]))
            await asyncio.sleep(0.005)
            await reads.read([("a",)])
            await first

    asyncio.run(one_after_the_other())
    assert store.reads == [BEFORE, ["a"], ["a"]]


def test_an_entity_that_cannot_be_read_fails_nobody_else() -> None:
    store = Store("broken")
    found = asyncio.run(together(shared(store), ["a"], ["broken"], ["b"]))
    assert isinstance(found.pop(1), FeaturesOutdated)
    assert found == [["a"], ["b"]]
    [first, second] = asyncio.run(together(shared(Store("broken")), ["broken"], ["a"]))
    assert isinstance(first, FeaturesOutdated) and second == ["a"]


def test_who_reads_alone_after_a_failure_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store("broken")

    async def asked_meanwhile() -> list[list[str]]:
        reads = shared(store)
        async with busy(reads):
            first = asyncio.create_task(at_once(reads, ["broken"], ["a"], ["b"]))
        while len(store.reads) < 5 and not first.done():
            await asyncio.sleep(0)
        later = asyncio.create_task(at_once(reads, ["c"]))
        await asyncio.sleep(0.005)
        begun = list(store.reads)
        await asyncio.gather(first, later)
        return begun[2:]

    assert sorted(asyncio.run(asked_meanwhile())) == [["a"], ["b"], ["broken"]]
    assert store.reads[5:] == [["c"]]


def test_who_is_alone_and_fails_does_not_try_again() -> None:
    store = Store("broken")
    [found] = asyncio.run(together(shared(store), ["broken"]))
    assert isinstance(found, FeaturesOutdated)
    assert store.reads == [BEFORE, ["broken"]]


def test_a_store_that_does_not_answer_in_time_is_asked_once_and_everybody_told() -> None:
    store = Store(silent=True)
    found = asyncio.run(together(shared(store), ["a"], ["b"]))
    assert [type(item) for item in found] == [AnswerTooLate] * 2
    assert store.reads == [BEFORE, ["a", "b"]]


@pytest.mark.parametrize("seconds", [0.0, 0.005], ids=["before the read", "during the read"])
def test_the_others_are_answered_where_the_first_is_given_up(seconds: float) -> None:
    store = Store()

    async def first_is_cancelled() -> tuple[Found, bool]:
        reads = shared(store)
        async with busy(reads):
            first, second = (asyncio.create_task(reads.read([(name,)])) for name in "ab")
            await asyncio.sleep(seconds)
            first.cancel()
            await asyncio.wait([first])
            return await asyncio.wait_for(second, 5), first.cancelled()

    [found], cancelled = asyncio.run(first_is_cancelled())
    assert found is not None and found.key == ("b",) and cancelled


def test_who_reads_alone_has_no_more_time_than_before() -> None:
    store = Store(stuck="b")

    async def first_is_cancelled_late() -> float:
        reads = shared(store)
        async with busy(reads):
            first, second = (asyncio.create_task(reads.read([(name,)])) for name in "ab")
            began = asyncio.get_running_loop().time()
            await asyncio.sleep(SECONDS * 0.8)
            first.cancel()
            with pytest.raises(AnswerTooLate):
                await asyncio.wait_for(second, 5)
        return asyncio.get_running_loop().time() - began

    assert SECONDS * 0.99 < asyncio.run(first_is_cancelled_late()) < SECONDS * 1.4


def test_one_of_the_others_that_is_given_up_is_left_out() -> None:
    store = Store()

    async def second_is_cancelled() -> Found:
        reads = shared(store)
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
    assert asyncio.run(together(shared(store), *asked)) == asked
    assert list(map(len, store.reads)) == [3, MOST_KEYS, 1]
    assert MOST_KEYS == KEYS_PER_STATEMENT


@pytest.mark.parametrize("sizes", [[12, 9], [1] * MOST_KEYS, [MOST_KEYS], [100]], ids=str)
def test_what_nobody_fits_beside_is_read_at_once(sizes: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store(stuck="before")

    async def while_many_are_read() -> list[int]:
        reads = shared(store)
        async with busy(reads):
            later = asyncio.create_task(at_once(reads, *([f"{size}"] * size for size in sizes)))
            await asyncio.sleep(0.005)
            begun = list(map(len, store.reads))
            store.goes_on.set()
            assert await later == [[f"{size}"] * size for size in sizes]
        return begun

    assert asyncio.run(while_many_are_read()) == [3, 12 if sizes == [12, 9] else sum(sizes)]


def test_what_is_next_after_a_full_read_takes_in_who_comes_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "LONGEST_SECONDS", 5)
    store = Store(stuck="before")

    async def three_turns() -> None:
        reads = shared(store)
        async with busy(reads):
            first = asyncio.create_task(at_once(reads, ["a"] * 12, ["b"] * 9))
            await asyncio.sleep(0.005)
            second = asyncio.create_task(at_once(reads, ["c"]))
            await asyncio.sleep(0)
            store.goes_on.set()
            assert await first + await second == [["a"] * 12, ["b"] * 9, ["c"]]

    asyncio.run(three_turns())
    assert list(map(len, store.reads)) == [3, 12, 10]


def test_a_loop_that_stands_still_in_the_midst_of_reads_is_nothing_to_another_one() -> None:
    store = Store()
    reads = shared(store)
    loop = asyncio.new_event_loop()
    tasks = [loop.create_task(reads.read([(name,) for name in names])) for names in (BEFORE, ["a"])]
    loop.run_until_complete(asyncio.sleep(0))
    assert asyncio.run(asyncio.wait_for(at_once(reads, ["b"], ["c"]), 5)) == [["b"], ["c"]]
    assert store.reads == [BEFORE, ["b"], ["c"]]
    _, [found] = loop.run_until_complete(asyncio.gather(*tasks))
    assert found is not None and found.key == ("a",)
    loop.close()


def test_two_event_loops_at_once_get_each_its_own_answers() -> None:
    reads = shared(Store())

    async def many(name: str) -> list[list[str | None] | BaseException]:
        return [found for _ in range(50) for found in await together(reads, [name], [name])]

    async def in_two_threads() -> list[list[list[str | None] | BaseException]]:
        return await asyncio.gather(*(asyncio.to_thread(asyncio.run, many(name)) for name in "ab"))

    assert asyncio.run(in_two_threads()) == [[["a"]] * 100, [["b"]] * 100]
