import itertools
import threading
import time

import pytest

from poc.faults.load import Done, Load, percentile_ms


def test_every_operation_is_kept_with_what_it_raised() -> None:
    numbers = itertools.count()
    begin = time.monotonic()
    enough = threading.Event()

    def every_third_fails() -> None:
        number = next(numbers)
        if number == 8:
            enough.set()
        if number % 3 == 0:
            raise ValueError(number)

    with Load(every_third_fails, per_second=1000, threads=2) as load:
        assert enough.wait(30)
    done = load.between(begin, time.monotonic())
    assert len(done) == next(numbers)
    failed = {str(item.error) for item in done if item.error is not None}
    assert {"0", "3", "6"} <= failed
    assert not failed & {"1", "2", "4", "5"}


def test_one_that_hangs_does_not_hold_the_others_up() -> None:
    release, others = threading.Event(), threading.Event()
    numbers = itertools.count()

    def first_hangs() -> None:
        number = next(numbers)
        if number == 0:
            release.wait(30)
        elif number == 5:
            others.set()

    with Load(first_hangs, per_second=1000, threads=2):
        assert others.wait(30)
        release.set()


def test_only_what_began_in_the_interval_is_given() -> None:
    load = Load(lambda: None, per_second=1, threads=1)
    load._done = [Done(1.0, 0.1, None), Done(2.0, 0.1, None), Done(3.0, 0.1, None)]
    assert [done.began for done in load.between(1.0, 3.0)] == [1.0, 2.0]


@pytest.mark.parametrize(("percent", "expected"), [(50, 51.0), (99, 100.0), (100, 100.0)])
def test_a_percentile_is_a_time_that_was_measured(percent: float, expected: float) -> None:
    done = [Done(0.0, number / 1000, None) for number in range(1, 101)]
    assert percentile_ms(done, percent) == pytest.approx(expected)


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile_ms([], 99) is None
