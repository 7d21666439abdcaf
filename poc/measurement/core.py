"""What all measurements share: turns and the clock, what latencies come to, and what they were measured on.

Knows how to time a read and what must not get into the time. It names nothing that identifies a host.
"""

import gc
import math
import os
import platform
import random
import re
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from poc.online_store.session import Session, idempotent

# With this many a P99 rests on three reads; with fewer it is little more than the slowest one.
LEAST_ROUNDS = 200
RESAMPLES = 5000
# Resamples made at a time: bounds the memory to some ten MB for thousands of rounds.
_CHUNK = 250

# A transaction as a request names it: the values of the service's join keys, in their order.
Key = tuple[Any, ...]
Row = Mapping[str, Any]
Read = Callable[[Sequence[Key]], Sequence[Row | None]]
Nanoseconds = npt.NDArray[np.int64]
AfterRound = Callable[[Sequence[Key], Mapping[str, Sequence[Row | None]]], object]


@dataclass(frozen=True, slots=True)
class Method:
    """One way of reading the features of transactions: its name in the JSON, its title in table and picture.

    `read` returns a row of feature values for each key, in the keys' order; None for an unknown one.
    `least_batch` is the smallest batch that it is measured at: of fewer it reads as the baseline does.
    """

    name: str
    title: str
    read: Read
    # Feast's stock Cassandra store reads at the driver's default, and cannot be told otherwise.
    consistency: str = "LOCAL_ONE"
    least_batch: int = 1


def rounds_for(requests: int, batch_size: int) -> int:
    """Return how many counted reads a batch size gets where single reads get `requests`.

    A batch of n takes longer, though not n times as long, so it gets requests/n reads; but not fewer
    than 200, or than `requests` if that is less.
    """
    return max(requests // batch_size, min(requests, LEAST_ROUNDS))


def warm_up_rounds(rounds: int) -> int:
    """Return how many rounds go uncounted before `rounds` counted ones: a tenth, at least 10."""
    return max(rounds // 10, 10)


def measure(
    methods: Sequence[Method],
    keys: Sequence[Key],
    batch_size: int,
    rounds: int,
    seed: int,
    after_round: AfterRound,
) -> dict[str, Nanoseconds]:
    """Time `rounds` reads of `batch_size` distinct keys by each method that is measured at this size.

    In each round every method reads the same keys once, in an order that is drawn anew, so a slow
    moment of the machine or of Cassandra meets all of them alike. Warm-up rounds come before and are
    not counted. `seed` fixes keys and orders, for this batch size; `keys` are at least `batch_size`.

    `after_round` is called outside the timed part, after each round, warm-up included, with the keys
    and what each method returned for them; what it raises ends the measurement. Returns the latencies
    by the method's name: position i of every method is the same round.
    """
    draw = random.Random(f"{seed}/{batch_size}")
    methods = [method for method in methods if method.least_batch <= batch_size]
    nanoseconds = {method.name: np.zeros(rounds, np.int64) for method in methods}
    # No read pays for another one's garbage: the collector stays on, as in a server, but runs untimed before
    # each read. What is there already (Feast's modules alone are half a million objects) is taken out of its
    # sight, so that such a run takes microseconds.
    gc.collect()
    gc.freeze()
    try:
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
    finally:
        gc.unfreeze()
    return nanoseconds


def percentile(latencies: Nanoseconds | Sequence[int], percent: float) -> int:
    """Return the nearest-rank percentile: the least measured latency that `percent` % do not exceed.

    It is always a latency that was measured, never one between two (R's type 1, numpy's
    `inverted_cdf`). With fewer than 100 latencies the 99th is the greatest.
    """
    return int(np.percentile(latencies, percent, method="inverted_cdf"))


def summarize(latencies: Nanoseconds) -> dict[str, float]:
    """Return how many latencies there are, and in milliseconds their mean, P50, P95 and P99."""
    percentiles = {f"p{percent}_ms": percentile(latencies, percent) / 1e6 for percent in (50, 95, 99)}
    return {"requests": len(latencies), "mean_ms": float(latencies.mean()) / 1e6, **percentiles}


def compare(latencies: Nanoseconds, baseline: Nanoseconds, seed: int) -> dict[str, Any]:
    """Return how many times as long a method takes as another one that was measured in the same rounds.

    By the mean, the P50, with its 95 % interval, and the P99. The interval is the percentile bootstrap's
    (Efron & Tibshirani, An Introduction to the Bootstrap, chapter 13), paired: whole rounds are drawn with
    replacement, so that both methods keep the moments they shared, and the ratio of the medians is taken of
    each draw. Neighbouring rounds resemble each other while something else runs on the machine, so rounds are
    drawn in runs of sqrt(rounds), past the last on to the first (the circular block bootstrap of Politis &
    Romano, 1992): drawn one by one, a nominal 95 % interval held the true ratio of two drifting series of
    1,000 rounds in 64 % of 150 simulations; in runs, in 96 %. `seed` fixes the draws.
    """
    generator, rounds = np.random.default_rng(seed), len(latencies)
    run = math.isqrt(rounds)
    middle = (rounds - 1) // 2  # The nearest-rank median of `rounds` sorted values.
    ratios = []
    for _ in range(RESAMPLES // _CHUNK):
        starts = generator.integers(0, rounds, (_CHUNK, math.ceil(rounds / run)))
        drawn = (starts[:, :, np.newaxis] + np.arange(run)).reshape(_CHUNK, -1)[:, :rounds] % rounds
        medians = [np.partition(values[drawn], middle, axis=1)[:, middle] for values in (latencies, baseline)]
        ratios.append(medians[0] / medians[1])
    low, high = np.percentile(np.concatenate(ratios), [2.5, 97.5])
    return {
        "mean": float(latencies.mean() / baseline.mean()),
        "p50": percentile(latencies, 50) / percentile(baseline, 50),
        "p50_ci95": [float(low), float(high)],
        "p99": percentile(latencies, 99) / percentile(baseline, 99),
    }


def measured_on(session: Session | None, *packages: str) -> dict[str, Any]:
    """Describe the setting of a measurement that begins now: its time, UTC, the machine and the versions.

    `session` is of a Cassandra that takes part, with what reads from it; `packages` are what else does.
    """
    versions: dict[str, str | None] = {"python": platform.python_version()}
    if session is not None:
        cassandra = session.execute(idempotent("SELECT release_version FROM system.local")).one()
        versions = {
            "feast": version("feast"),
            "cassandra_driver": version("cassandra-driver"),
            "cassandra": cassandra.release_version,
            **versions,
            "acsylla": version("acsylla") if find_spec("acsylla") is not None else None,
        }
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": this_machine(),
        "versions": versions | {name.replace("-", "_"): version(name) for name in packages},
    }


def this_machine() -> dict[str, Any]:
    """Describe the machine as a reader of results wants to know it; `cores` are those of this process."""
    available = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": _cpu_model(),
        "cores": len(available(0)) if available is not None else os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _cpu_model() -> str:
    linux, told = Path("/proc/cpuinfo"), ""
    if linux.is_file():
        told = "".join(re.findall(r"^model name\s*: *(.*)", linux.read_text(), re.MULTILINE)[:1])
    elif platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return told.strip() or platform.processor() or platform.machine()
