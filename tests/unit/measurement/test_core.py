import gc
import os
import platform
import re
import subprocess
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poc.measurement import core
from poc.measurement.core import (
    Key,
    Method,
    Row,
    compare,
    measure,
    percentile,
    rounds_for,
    summarize,
    this_machine,
    warm_up_rounds,
)

KEYS: list[Key] = [(str(number),) for number in range(50)]


class Reader:
    """Reads from nowhere and keeps account of who was asked for what, in which order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Key, ...]]] = []

    def method(self, name: str, seconds: float = 0) -> Method:
        def read(keys: Sequence[Key]) -> list[Row | None]:
            self.calls.append((name, tuple(keys)))
            time.sleep(seconds)
            return [{"id": key} for key in keys]

        return Method(name, name, read)

    def rounds(self, methods: int) -> list[list[tuple[str, tuple[Key, ...]]]]:
        return [self.calls[start : start + methods] for start in range(0, len(self.calls), methods)]


@pytest.fixture
def reader() -> Reader:
    return Reader()


def nothing(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
    pass


def test_every_method_reads_the_same_ids_once_in_each_round(reader: Reader) -> None:
    methods = [reader.method("a"), reader.method("b"), reader.method("c")]
    measure(methods, KEYS, 5, 20, 1, nothing)
    for calls in reader.rounds(3):
        assert sorted(name for name, _ in calls) == ["a", "b", "c"]
        assert len({ids for _, ids in calls}) == 1


def test_ids_of_a_batch_are_distinct(reader: Reader) -> None:
    measure([reader.method("a")], KEYS, 50, 5, 1, nothing)
    assert all(len(set(ids)) == 50 for _, ids in reader.calls)


def test_order_of_the_methods_changes_from_round_to_round(reader: Reader) -> None:
    measure([reader.method("a"), reader.method("b")], KEYS, 1, 100, 1, nothing)
    first = [calls[0][0] for calls in reader.rounds(2)]
    assert 30 < first.count("a") < 80


def test_warm_up_reads_are_made_and_not_counted(reader: Reader) -> None:
    taken = measure([reader.method("a")], KEYS, 1, 30, 1, nothing)["a"]
    assert (len(taken), len(reader.calls)) == (30, 30 + warm_up_rounds(30))


def test_same_seed_reads_the_same_ids_in_the_same_order() -> None:
    calls = defaultdict(list)
    for seed in (1, 1, 2):
        reader = Reader()
        measure([reader.method("a"), reader.method("b")], KEYS, 3, 10, seed, nothing)
        calls[seed].append(reader.calls)
    assert calls[1][0] == calls[1][1] != calls[2][0]


def test_latency_is_the_time_of_the_read_alone(reader: Reader) -> None:
    methods = [reader.method("slow", 0.02), reader.method("fast")]
    taken = measure(methods, KEYS, 1, 10, 1, lambda ids, answers: time.sleep(0.02))
    assert taken["slow"].min() >= 20e6
    assert sorted(taken["fast"])[5] < 10e6


def test_each_round_hands_over_what_every_method_gave_in_the_methods_order(reader: Reader) -> None:
    seen = []
    methods = [reader.method("a"), reader.method("b")]
    measure(methods, KEYS, 2, 10, 1, lambda keys, answers: seen.append((keys, answers)))
    assert len(seen) == 10 + warm_up_rounds(10)
    for keys, answers in seen:
        assert list(answers.items()) == [(name, [{"id": key} for key in keys]) for name in ("a", "b")]


def test_what_a_round_is_refused_with_ends_the_measurement(reader: Reader) -> None:
    def refuse(ids: Sequence[str], answers: Mapping[str, list[Row | None]]) -> None:
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        measure([reader.method("a")], KEYS, 1, 10, 1, refuse)
    assert len(reader.calls) == 1


def test_garbage_of_one_method_is_gone_before_the_next_one_is_timed(reader: Reader) -> None:
    uncollected = []

    def litter(ids: Sequence[str]) -> list[Row | None]:
        for _ in range(500):
            circle: list[object] = []
            circle.append(circle)
        return []

    def count(ids: Sequence[str]) -> list[Row | None]:
        uncollected.append(gc.get_count()[0])
        return []

    measure([Method("litter", "", litter), Method("count", "", count)], KEYS, 1, 10, 1, nothing)
    assert max(uncollected) < 100


def test_collector_is_as_before_afterwards(reader: Reader) -> None:
    measure([reader.method("a")], KEYS, 1, 1, 1, nothing)
    assert (gc.isenabled(), gc.get_freeze_count()) == (True, 0)


@pytest.mark.parametrize(
    ("requests", "batch_size", "rounds"),
    [(1000, 1, 1000), (1000, 10, 200), (5000, 10, 500), (1000, 100, 200), (20, 100, 20), (1, 1, 1)],
)
def test_larger_batches_get_fewer_rounds_but_enough(requests: int, batch_size: int, rounds: int) -> None:
    assert rounds_for(requests, batch_size) == rounds


LATENCIES = st.lists(st.integers(1, 10**10), min_size=1, max_size=300)


def milliseconds(*values: float) -> np.ndarray:
    return (np.array(values) * 1e6).astype(np.int64)


@given(LATENCIES, st.floats(0.1, 100))
def test_percentile_is_the_least_measured_latency_that_so_many_do_not_exceed(
    latencies: list[int], percent: float
) -> None:
    found = percentile(np.array(latencies), percent)
    assert found in latencies
    share = [100 * sum(other <= one for other in latencies) / len(latencies) for one in latencies]
    reaching = [one for one, reached in zip(latencies, share, strict=True) if reached >= percent - 1e-9]
    assert found == min(reaching)


def test_percentiles_of_one_to_hundred() -> None:
    taken = np.random.default_rng(0).permutation(np.arange(1, 101))
    assert [percentile(taken, percent) for percent in (50, 95, 99)] == [50, 95, 99]


def test_summary_is_in_milliseconds() -> None:
    summary = summarize(milliseconds(1, 2, 3, 10))
    assert summary == {"requests": 4, "mean_ms": 4.0, "p50_ms": 2.0, "p95_ms": 10.0, "p99_ms": 10.0}


def test_ratios_are_of_the_same_statistic_of_both() -> None:
    ratio = compare(milliseconds(2, 4, 12), milliseconds(1, 1, 4), seed=1)
    assert (ratio["mean"], ratio["p50"], ratio["p99"]) == (3.0, 4.0, 3.0)


def test_interval_of_rounds_that_slow_both_down_alike_has_no_width() -> None:
    base = milliseconds(*np.random.default_rng(0).lognormal(0, 1, 101))
    ratio = compare(3 * base, base, seed=1)
    assert (ratio["p50"], *ratio["p50_ci95"]) == (3.0, 3.0, 3.0)


def test_same_seed_gives_the_same_interval() -> None:
    draw = np.random.default_rng(0)
    one, other = milliseconds(*draw.lognormal(1, 1, 60)), milliseconds(*draw.lognormal(0, 1, 60))
    assert compare(one, other, seed=5) == compare(one, other, seed=5) != compare(one, other, seed=6)


@pytest.mark.parametrize("rounds", [1, 2, 3, 100, 1009])
def test_interval_holds_the_ratio(rounds: int) -> None:
    draw = np.random.default_rng(rounds)
    one, other = milliseconds(*draw.lognormal(1, 0.5, rounds)), milliseconds(*draw.lognormal(0, 0.5, rounds))
    ratio = compare(one, other, seed=1)
    low, high = ratio["p50_ci95"]
    assert low <= ratio["p50"] <= high


def drifting(rounds: int, draw: np.random.Generator) -> np.ndarray:
    """Logarithms of latencies whose neighbours resemble each other."""
    noise = np.zeros(rounds)
    for number in range(1, rounds):
        noise[number] = 0.9 * noise[number - 1] + draw.normal(0, 0.13)
    return noise


def test_interval_holds_the_true_ratio_of_drifting_series_most_of_the_time() -> None:
    draw = np.random.default_rng(0)
    held = 0
    for _ in range(30):
        one, other = 3 * np.exp(drifting(400, draw)), np.exp(drifting(400, draw))
        low, high = compare(milliseconds(*one), milliseconds(*other), seed=1)["p50_ci95"]
        held += low <= 3 <= high
    # Rounds drawn one by one hold it in 16 of these 30.
    assert held >= 24


def test_machine_is_described_by_what_does_not_name_it() -> None:
    machine = this_machine()
    if platform.system() == "Linux":
        described = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout
        [model] = re.findall(r"^Model name: +(.+?) *$", described, re.MULTILINE)
        assert machine["cpu"] == model
    assert machine["system"] == f"{platform.system()} {platform.machine()}"
    if platform.system() == "Linux":
        assert machine["cores"] == len(os.sched_getaffinity(0))
    assert 1 <= machine["cores"] <= (os.cpu_count() or 1)
    assert machine["memory_gib"] == round(psutil.virtual_memory().total / 1024**3)
    assert platform.node() not in f"{machine['cpu']} {machine['system']}"


def test_cores_are_those_that_this_process_may_use() -> None:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system gives no process its own cores")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert this_machine()["cores"] == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(("counted", "cores"), [(7, 7), (None, 1)])
def test_cores_are_the_machines_where_the_system_gives_no_process_its_own(
    monkeypatch: pytest.MonkeyPatch, counted: int | None, cores: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert this_machine()["cores"] == cores


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A system without /proc, whose programs are in this folder; it calls its processor `arm`."""
    monkeypatch.setattr(core, "Path", lambda name: tmp_path / "not there")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "processor", lambda: "arm")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_processor_of_a_mac_is_what_sysctl_calls_it(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    program(elsewhere / "sysctl", '[ "$*" = "-n machdep.cpu.brand_string" ] && echo "Apple M2 "')
    assert this_machine()["cpu"] == "Apple M2"


def test_processor_that_sysctl_does_not_know_is_called_as_python_does(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    program(elsewhere / "sysctl", "exit 1")
    assert this_machine()["cpu"] == "arm"


def test_processor_that_nobody_names_is_told_by_its_kind(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Plan 9")
    assert this_machine()["cpu"] == "arm"
    monkeypatch.setattr(platform, "processor", lambda: "")
    assert this_machine()["cpu"] == platform.machine()
