import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from poc.benchmarks.page import draw_pictures, page, read_results, take_results
from poc.errors import ResultsMissing


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
    expected = ["Targets", "Reads", "Materialization", "Serving", "Scoring", "Registry"]
    assert headings == [f"## {title}" for title in expected]
    assert text.index("1.05 (1.04 to 1.06)") < text.index("Milliseconds, 1 transaction a read")


def test_page_names_machine_versions_and_day_of_each_measurement(documents: Any) -> None:
    line = "Measured 2026-01-02 on A processor, 2 cores, 8 GiB, Linux x86_64; feast 0.38.0, cassandra 5.0.6."
    assert " ".join(page(documents).split()).count(line) == 5


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
