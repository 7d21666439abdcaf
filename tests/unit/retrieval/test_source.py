import asyncio
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from declared_views import served, view
from feast.types import Array, Bool, Bytes, FeastType, Float32, Float64, Int32, Int64, String, UnixTimestamp

from poc.definitions import JoinKey
from poc.retrieval.source import is_stale, probe_key, python_type, utc_now, within

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)
TTL = timedelta(days=30)


@pytest.mark.parametrize(
    ("age", "stale"),
    [
        (timedelta(0), False),
        (-timedelta(days=1), False),
        (TTL, False),
        (TTL + timedelta(microseconds=1), True),
    ],
)
def test_values_are_stale_once_older_than_the_ttl(age: timedelta, stale: bool) -> None:
    assert is_stale(NOW - age, TTL, NOW) is stale


def test_values_without_ttl_are_never_stale() -> None:
    assert not is_stale(NOW - timedelta(days=10_000), None, NOW)


def test_clock_is_aware() -> None:
    assert utc_now().utcoffset() == timedelta(0)


TYPES: dict[FeastType, type] = {
    Bool: bool,
    Bytes: bytes,
    Float32: float,
    Float64: float,
    Int32: int,
    Int64: int,
    String: str,
    UnixTimestamp: datetime,
}


@pytest.mark.parametrize(("dtype", "expected"), [*TYPES.items(), (Array(Int64), list)], ids=str)
def test_every_feast_type_has_its_python_type(dtype: FeastType, expected: type) -> None:
    assert python_type(dtype) is expected


def test_probe_has_a_value_of_the_type_of_each_join_key() -> None:
    one = view("one", "x")
    keys = tuple(JoinKey(f"key{place}", dtype) for place, dtype in enumerate(TYPES))
    whole = replace(one.definitions, join_keys=keys)
    asked = served(replace(one, definitions=whole, request_keys=whole.key_names))
    assert [type(part) for part in probe_key(asked)] == list(TYPES.values())


class Late(Exception):
    pass


async def after(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


def test_work_that_is_done_in_time_is_given_and_nothing_is_cancelled_later() -> None:
    async def both() -> tuple[str, str]:
        return await within(0.05, after(0), Late), await after(0.1)

    assert asyncio.run(both()) == ("done", "done")


def test_work_that_takes_too_long_is_cancelled_and_its_task_goes_on() -> None:
    ended: list[str] = []

    async def work() -> None:
        try:
            await after(5)
        finally:
            ended.append("work")

    async def task() -> str:
        with pytest.raises(Late):
            await within(0.05, work(), Late)
        assert ended == ["work"]
        return await after(0.01)

    assert asyncio.run(task()) == "done"


def test_failure_of_the_work_is_its_own_and_nothing_is_cancelled_later() -> None:
    async def fail() -> None:
        raise LookupError

    async def task() -> str:
        with pytest.raises(LookupError):
            await within(0.05, fail(), Late)
        return await after(0.1)

    assert asyncio.run(task()) == "done"


def test_task_that_somebody_else_cancels_in_time_is_cancelled() -> None:
    async def cancel() -> bool:
        task = asyncio.ensure_future(within(5, after(5), Late))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancel())


@pytest.mark.skipif(not hasattr(asyncio.Task, "uncancel"), reason="Python 3.10 cannot tell the two apart")
def test_task_that_somebody_else_cancels_when_it_is_late_is_cancelled() -> None:
    async def slow_to_end() -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await after(5)
        except asyncio.CancelledError:
            task.cancel()
            raise

    async def cancel() -> bool:
        task = asyncio.ensure_future(within(0.01, slow_to_end(), Late))
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(cancel())
