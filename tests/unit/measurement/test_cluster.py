import itertools
import threading
import time

from poc.measurement.cluster import Load, Operation


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
        # At a thousand a second; none waits for a second.
        assert enough.wait(5)
    done = load.between(begin, time.monotonic())
    assert len(done) == next(numbers)
    assert sum(item.error is None for item in done) == len(done) - len(range(0, len(done), 3))
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
    load._done = [Operation(1.0, 0.1, None), Operation(2.0, 0.1, None), Operation(3.0, 0.1, None)]
    assert [done.began for done in load.between(1.0, 3.0)] == [1.0, 2.0]


def test_each_operation_is_kept_with_the_time_that_it_took() -> None:
    begin = time.monotonic()
    with Load(lambda: time.sleep(0.02), per_second=1000, threads=1) as load:
        time.sleep(0.2)
    done = load.between(begin, time.monotonic())
    assert done
    assert all(0.02 <= item.seconds < time.monotonic() - begin for item in done)


def test_operations_begin_at_the_rate_and_no_faster() -> None:
    numbers = itertools.count()
    with Load(lambda: next(numbers), per_second=20, threads=2):
        time.sleep(0.5)
    assert next(numbers) <= 12


def test_operation_that_never_ends_keeps_no_process_alive() -> None:
    assert all(thread.daemon for thread in Load(lambda: None, per_second=1, threads=2)._threads)
