from typing import Any

import pytest

from poc.measurement.tables import report


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def lines(comparison: Any, direct: list[float], feast: list[float]) -> list[str]:
    return report(comparison({1: (direct, feast)})).splitlines()


def test_table_is_the_guides_with_measured_numbers(comparison: Any) -> None:
    printed = [line for line in lines(comparison, [1.0] * 200, [3.0] * 200) if line.startswith("|")]
    assert [cells(line) for line in (printed[0], *printed[2:])] == [
        ["Method", "Avg Latency", "P50", "P95", "P99", "Features"],
        ["**Feast**", "3.00ms", "3.00ms", "3.00ms", "3.00ms", "✅ Versioning, lineage, consistency"],
        ["**Direct Cassandra**", "1.00ms", "1.00ms", "1.00ms", "1.00ms", "(!) Manual management"],
    ]


def test_there_is_a_table_for_each_batch_size(comparison: Any) -> None:
    pair = ([1.0] * 200, [2.0] * 200)
    printed = report(comparison({1: pair, 10: pair}))
    headings = [line for line in printed.splitlines() if line.startswith("### ")]
    assert headings == [
        "### 1 transaction a read, 200 reads each way",
        "### 10 transactions a read, 200 reads each way",
    ]
    assert printed.count("| Method ") == 2


def test_ratio_comes_with_its_interval(comparison: Any) -> None:
    assert (
        "Feast takes 3.00 times as long as Direct Cassandra at P50 (95 % interval 3.00 to 3.00),"
        " 3.00 times at P99."
    ) in lines(comparison, [1.0] * 200, [3.0] * 200)


@pytest.mark.parametrize(("feast", "verdict"), [(1.12, "✓ Met"), (1.13, "✗ Missed")])
def test_promised_ratio_is_met_only_if_measured(comparison: Any, feast: float, verdict: str) -> None:
    assert (
        f"{verdict}: Feast at most 1.12 times Direct Cassandra on average (2.8 ms against 2.5 ms);"
        f" measured {feast:.2f} times"
    ) in lines(comparison, [1.0] * 200, [feast] * 200)


def test_ratio_that_rounds_to_the_promise_is_told_from_it(comparison: Any) -> None:
    printed = report(comparison({1: ([1.0] * 200, [1.12004] * 200)}))
    assert "✗ Missed: Feast at most 1.12 times" in printed
    assert "measured 1.12004 times" in printed


@pytest.mark.parametrize(("slowest", "verdict"), [(4.99, "✓ Met"), (5.0, "✗ Missed")])
def test_p99_target_is_met_only_if_measured(comparison: Any, slowest: float, verdict: str) -> None:
    printed = lines(comparison, [1.0] * 197 + [slowest] * 3, [9.0] * 200)
    assert f"{verdict}: Direct Cassandra <5ms P99; measured {slowest:.2f} ms" in printed
    assert "✗ Missed: Feast <5ms P99; measured 9.00 ms" in printed


def test_measured_time_that_rounds_to_the_promise_is_told_from_it(comparison: Any) -> None:
    printed = report(comparison({1: ([1.0] * 200, [4.9996] * 200)}))
    assert "✓ Met: Feast <5ms P99; measured 4.99960 ms" in printed


def test_promises_are_not_judged_by_other_reads_than_single_ones(comparison: Any) -> None:
    printed = report(comparison({10: ([1.0] * 200, [1.0] * 200)}))
    assert printed.splitlines()[-1] == (
        "The guide's promises are about single reads, which were not measured: add 1 to --batch-sizes."
    )
    assert "✓ Met" not in printed


@pytest.mark.parametrize(
    ("reads", "note"),
    [
        (10, "The P99 of 10 reads is the slowest of them."),
        (200, "The P99 of 200 reads rests on the 3 slowest of them."),
        (400, "The P99 of 400 reads rests on the 5 slowest of them."),
        (500, None),
        (1000, None),
    ],
)
def test_p99_of_few_reads_is_said_to_be_one(comparison: Any, reads: int, note: str | None) -> None:
    notes = [line for line in lines(comparison, [1.0] * reads, [2.0] * reads) if line.startswith("The P99")]
    assert notes == ([] if note is None else [note])


def test_transactions_left_out_are_reported(comparison: Any) -> None:
    printed = report(comparison({1: ([1.0] * 200, [2.0] * 200)}, unknown=12))
    assert "12 transactions of the Parquet are in neither store and were left out." in printed


def test_report_begins_with_what_it_was_measured_on_and_how(comparison: Any) -> None:
    assert lines(comparison, [1.0] * 200, [2.0] * 200)[:3] == [
        "Measured on A processor, 2 cores, Cassandra 5.0.6, feast 0.38.0, cassandra-driver 3.30.1,"
        " Python 3.11.7;",
        "all ways in turns on the same transactions, at LOCAL_ONE, after a warm-up, seed 1.",
        "Direct Cassandra: cassandra-driver, one prepared statement an id, rows as tuples (tuple_factory),"
        " as poc/serve_model.py.",
    ]


def test_promises_stand_below_a_heading_and_nothing_that_was_measured_is_said_not_to_be(
    comparison: Any,
) -> None:
    printed = lines(comparison, [1.0] * 200, [2.0] * 200)
    assert "The guide's promises, single reads:" in printed
    assert not [line for line in printed if "is not measured here" in line]
