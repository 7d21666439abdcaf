"""Latencies of several ways of reading, taken in turns.

Knows how to time a read and what must not get into the time. What the numbers mean is up to
`poc.comparison.statistics`.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from poc.comparison.methods import Key, Method, Row
from poc.comparison.statistics import Nanoseconds

# With this many a P99 rests on three reads; with fewer it is little more than the slowest one.
LEAST_ROUNDS = 200

AfterRound = Callable[[Sequence[Key], Mapping[str, Sequence[Row | None]]], object]


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """The latencies of all methods at one batch size, by the method's name.

    Position i of every method is the same round: the same keys, read within the same few milliseconds.
    """

    batch_size: int
    nanoseconds: Mapping[str, Nanoseconds]


def rounds_for(requests: int, batch_size: int) -> int:
    """Say how many counted reads a batch size gets where single reads get `requests`.

    A batch of n takes longer, though not n times as long, so it gets requests/n reads; but not fewer
    than 200, or than `requests` if that is less.
    """
    return max(requests // batch_size, min(requests, LEAST_ROUNDS))


def warm_up_rounds(rounds: int) -> int:
    """Say how many rounds go uncounted before `rounds` counted ones: a tenth, at least 10."""
    return max(rounds // 10, 10)


def measure(
    methods: Sequence[Method],
    keys: Sequence[Key],
    batch_size: int,
    rounds: int,
    seed: int,
    after_round: AfterRound,
) -> Measurement:
    """Time `rounds` reads of `batch_size` distinct keys by each method that is measured at this size.

    In each round every method reads the same keys once, in an order that is drawn anew, so a slow
    moment of the machine or of Cassandra meets all of them alike. Warm-up rounds come before and are
    not counted.

    Args:
        keys: the transactions to draw from, at least `batch_size`.
        seed: fixes keys and orders, for this batch size.
        after_round: called outside the timed part, after each round, warm-up included, with the keys
            and what each method gave for them. What it raises ends the measurement.
    """
    draw = random.Random(f"{seed}/{batch_size}")
    methods = [method for method in methods if method.least_batch <= batch_size]
    nanoseconds = {method.name: np.zeros(rounds, np.int64) for method in methods}
    with _own_garbage_only():
        for number in range(-warm_up_rounds(rounds), rounds):
            batch = draw.sample(keys, batch_size)
            answers: dict[str, Sequence[Row | None]] = {}
            for method in draw.sample(methods, len(methods)):
                gc.collect()
                before = time.perf_counter_ns()
                answers[method.name] = method.read(batch)
                elapsed = time.perf_counter_ns() - before
                if number >= 0:
                    nanoseconds[method.name][number] = elapsed
            after_round(batch, {method.name: answers[method.name] for method in methods})
    return Measurement(batch_size, nanoseconds)


@contextmanager
def _own_garbage_only() -> Iterator[None]:
    """Let no read pay for another one's garbage.

    The collector stays on, as it is in a server, but runs untimed before each read; what was there
    before (Feast's modules alone are half a million objects) is taken out of its sight, so that such
    a run takes microseconds.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
