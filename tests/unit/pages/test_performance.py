import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poc.errors import ResultsMissing
from poc.pages.performance import SECTIONS, all_targets, draw_pictures, page, read_results, take_results


def write(documents: Any, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(document))


def test_page_in_the_repository_is_made_of_the_results_there(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/write_performance.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pictures_that_the_page_shows_are_in_the_repository(root: Path) -> None:
    for name in ("comparison", "materialization", "registry"):
        assert f"images/{name}.png" in (root / "docs/performance.md").read_text()
        assert (root / f"docs/images/{name}.png").read_bytes().startswith(b"\x89PNG")


def test_page_opens_with_the_targets_and_shows_ratios_before_milliseconds(documents: Any) -> None:
    text = page(documents)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[:3] == ["## Targets", "## Reads", "## Materialization"]
    assert text.index("1.05 (1.04 to 1.06)") < text.index("Milliseconds, 1 transaction a read")


def test_page_names_machine_versions_and_day_of_each_measurement(documents: Any) -> None:
    line = "Measured 2026-01-02 on A processor, 2 cores, 8 GiB, Linux x86_64; feast 0.38.0, cassandra 5.0.6."
    assert " ".join(page(documents).split()).count(line) == len(SECTIONS)


def test_page_says_how_the_baseline_reads(documents: Any) -> None:
    assert "`direct-cassandra`: rows as tuples." in " ".join(page(documents).split())


def test_what_was_left_out_is_said_with_the_time_it_would_take(documents: Any) -> None:
    assert (
        "- `stock` with cassandra-driver, 1,000,000 rows: left out; at the speed of its largest size it"
        " would take 83 minutes."
    ) in page(documents)


def test_prose_is_broken_into_lines_and_code_is_not(documents: Any) -> None:
    prose = [line for line in page(documents).splitlines() if not line.startswith(("|", "-", "!"))]
    assert max(len(line) for line in prose) <= 110
    assert all(line.count("`") % 2 == 0 for line in prose)


def test_benchmark_without_results_has_no_section(documents: Any) -> None:
    del documents["serving"]
    assert "## Serving" not in page(documents)


def test_new_results_replace_those_of_their_benchmark_alone(
    documents: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(documents, Path("first"))
    assert take_results(Path("first")) == list(documents)
    documents["scoring"]["meta"]["rounds"] = 7
    write({"scoring": documents["scoring"]}, Path("second"))
    assert take_results(Path("second")) == ["scoring"]
    assert read_results() == documents


def test_folder_without_results_is_refused_with_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ResultsMissing, match="make benchmark"):
        read_results(tmp_path)


def test_pictures_are_drawn_of_the_documents(
    documents: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("docs/images").mkdir(parents=True)
    drawn = draw_pictures(documents)
    assert [path.name for path in drawn] == ["comparison.png", "materialization.png", "registry.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in drawn)


def verdicts(documents: Any) -> dict[str, str]:
    return {target.promise: target.verdict for target in all_targets(documents)}


def only_missed(documents: Any) -> list[str]:
    found = verdicts(documents)
    assert set(found.values()) <= {"✓ met", "✗ missed"}
    return [promise for promise, verdict in found.items() if verdict == "✗ missed"]


def test_target_is_met_only_by_a_measurement(documents: Any) -> None:
    assert set(verdicts(documents).values()) == {"✓ met"}
    assert set(verdicts({}).values()) == {"not measured"}


@pytest.mark.parametrize("name", SECTIONS)
def test_targets_of_a_benchmark_without_results_are_not_measured(documents: Any, name: str) -> None:
    del documents[name]
    assert set(verdicts(documents).values()) == {"✓ met", "not measured"}


def reads(documents: Any, method: str, size: int) -> Any:
    ratios = documents["comparison"]["ratios"]
    return next(item for item in ratios if (item["method"], item["batch_size"]) == (method, size))


def test_slow_call_misses_its_target(documents: Any) -> None:
    reads(documents, "feast", 10)["p50"] = 1.31
    assert only_missed(documents) == ["`feast` at n=10: P50 at most 1.30 of `direct-cassandra`"]


@pytest.mark.parametrize(("statistic", "value", "said"), [("mean", 1.121, "mean"), ("p99", 1.31, "P99")])
def test_mean_median_and_p99_are_judged_by_themselves(
    documents: Any, statistic: str, value: float, said: str
) -> None:
    reads(documents, "feast-rows", 1)[statistic] = value
    assert [promise.split()[2] for promise in only_missed(documents)] == ["n=1:"]
    assert said in only_missed(documents)[0]


def test_row_store_is_judged_by_its_ratio_to_as_many_keys_a_statement(documents: Any) -> None:
    reads(documents, "direct-cassandra-in", 100)["p50"] = 0.5
    assert only_missed(documents) == ["`feast-rows` at n=100: P50 at most 1.15 of `direct-cassandra-in`"]


def test_resolved_call_is_judged_at_two_hundred_views(documents: Any) -> None:
    documents["registry"]["results"][1]["ratio"] = 1.06
    assert only_missed(documents) == [
        "resolved call: a read with 200 views in the registry at most 1.05 of one with 1"
    ]


def test_memory_and_linear_time_of_many_rows_are_judged_apart(documents: Any) -> None:
    many = documents["materialization"]["results"][-4]
    many["peak_mib"] = 600
    assert [promise.rpartition(": ")[2] for promise in only_missed(documents)] == [
        "peak memory under 600 MiB"
    ]
    many |= {"peak_mib": 599, "rows_per_second": 7_900}
    assert [promise.rpartition(": ")[2] for promise in only_missed(documents)] == [
        "linear, at least 0.8 of the rows/s at 10,000"
    ]


def test_server_is_judged_for_each_number_of_workers_and_by_its_layout(documents: Any) -> None:
    documents["serving"]["ratios"] += [
        {"server": "feast", "workers": 2, "throughput": 0.87, "rounds": [0.87]},
        {"server": "feast-rows", "workers": 2, "throughput": 0.99, "rounds": [0.99]},
    ]
    assert only_missed(documents) == [
        "server `feast`, 2 workers: at least 0.88 of the direct server's predictions a second",
        "server `feast-rows`, 2 workers: at least 1.00 of the direct server's predictions a second",
    ]


def test_error_past_the_rate_that_is_no_503_with_retry_after_misses_the_target(documents: Any) -> None:
    documents["rates"]["results"][1]["past_other_errors"] = 1
    assert only_missed(documents) == [
        "each server: past its highest rate 503 with Retry-After, no other error"
    ]


@pytest.mark.parametrize(
    "found", [{"rate": None}, {"past_shed_per_second": 0}], ids=["no rate in time", "nothing sent away"]
)
def test_what_a_server_does_past_its_rate_is_judged_only_where_it_was_tried(
    documents: Any, found: dict[str, Any]
) -> None:
    documents["rates"]["results"][0] |= found
    assert set(verdicts(documents).values()) == {"✓ met", "not measured"}
    assert "## Rates" in page(documents)


def test_one_flipped_decision_misses_the_target(documents: Any) -> None:
    documents["scoring"]["results"][1]["flips"] = 1
    assert only_missed(documents) == ["no decision flipped by ONNX"]
