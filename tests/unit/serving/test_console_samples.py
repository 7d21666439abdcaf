import asyncio
import logging
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from poc.definitions import ServedFeatures
from poc.model.scoring import Scorer
from poc.retrieval.source import EntityFeatures
from poc.serving.console import samples as module
from poc.serving.console.samples import SAMPLE, Samples

COUNT = 20


class Ready:
    """What `Resource` is once it is open."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


class CurrentRequests:
    """What requests may say: of these features."""

    def __init__(self, served: ServedFeatures) -> None:
        self.served = served


@pytest.fixture
def stored(served_definitions: ServedFeatures, tmp_path: Path) -> ServedFeatures:
    """Definitions whose Parquet holds the ids 0 to 19."""
    placed = placed_at(served_definitions, tmp_path / "payments.parquet")
    write(placed, path_of(placed), range(COUNT))
    return placed


def placed_at(served: ServedFeatures, path: Path) -> ServedFeatures:
    [view] = served.views
    return replace(served, views=(replace(view, definitions=replace(view.definitions, source_path=path)),))


def path_of(served: ServedFeatures) -> Path:
    return served.feature_sets[0].source_path


def write(definitions: ServedFeatures, path: Path, numbers: Iterable[int]) -> None:
    """Write a Parquet with these ids."""
    ids = [str(number) for number in numbers]
    [view] = definitions.feature_sets
    moment = datetime(2026, 1, 1, tzinfo=timezone.utc)
    times = {view.timestamp_column: moment, view.created_timestamp_column: moment}
    nothing = dict.fromkeys(view.names)
    pd.DataFrame([{"transaction_id": item, **times, **nothing} for item in ids]).to_parquet(path)


@pytest.fixture
def full_source(source: Any) -> Any:
    """Holds them, with amounts of 0 to 570: from 300 on the model takes them for fraud."""
    fresh: EntityFeatures = source.held["12345"]
    source.held = {
        str(number): replace(fresh, key=(str(number),), values={**fresh.values, "amount": 30.0 * number})
        for number in range(COUNT)
    }
    return source


def test_examples_go_from_the_most_suspicious_to_the_least(
    stored: ServedFeatures, full_source: Any, scorer: Scorer
) -> None:
    found = asyncio.run(Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer)).examples())
    assert 3 <= len(found) <= 5
    scores = [example.fraud_probability for example in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= scorer.threshold > scores[-1]
    assert scores == scorer.score([full_source.held[example.key[0]].values for example in found])


def test_examples_are_kept_until_another_model_judges(
    stored: ServedFeatures, full_source: Any, scorer: Scorer
) -> None:
    model = Ready(scorer)
    samples = Samples(CurrentRequests(stored), Ready(full_source), model)

    async def asked() -> None:
        first = await samples.examples()
        assert await samples.examples() == first
        assert len(full_source.reads) == 1
        model.value = replace(scorer, version="2")
        assert await samples.examples() == first
        assert len(full_source.reads) == 2

    asyncio.run(asked())


def test_transactions_that_the_store_does_not_know_are_no_examples(
    stored: ServedFeatures, full_source: Any, scorer: Scorer
) -> None:
    full_source.held = {"7": full_source.held["7"]}
    found = asyncio.run(Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer)).examples())
    assert [example.key[0] for example in found] == ["7"]


def test_server_without_the_parquet_has_no_sample(
    served_definitions: ServedFeatures, full_source: Any, scorer: Scorer, tmp_path: Path
) -> None:
    elsewhere = placed_at(served_definitions, tmp_path / "none.parquet")
    samples = Samples(CurrentRequests(elsewhere), Ready(full_source), Ready(scorer))
    assert asyncio.run(samples.keys()) == []
    assert asyncio.run(samples.examples()) == []


def test_parquet_that_is_too_large_is_not_read(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer))
    monkeypatch.setattr(module, "LARGEST_PARQUET_BYTES", path_of(stored).stat().st_size - 1)
    assert asyncio.run(samples.keys()) == []


def in_folder(stored: ServedFeatures, tmp_path: Path) -> ServedFeatures:
    """Definitions whose Parquet is a folder with the ids 0 to 19 in two parts, one in a folder of its own."""
    folder = tmp_path / "parts"
    (folder / "later").mkdir(parents=True)
    write(stored, folder / "one.parquet", range(COUNT // 2))
    write(stored, folder / "later/two.parquet", range(COUNT // 2, COUNT))
    return placed_at(stored, folder)


def test_folder_is_a_parquet_too(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, tmp_path: Path
) -> None:
    samples = Samples(CurrentRequests(in_folder(stored, tmp_path)), Ready(full_source), Ready(scorer))
    assert sorted(int(item) for (item,) in asyncio.run(samples.keys())) == list(range(COUNT))


@pytest.mark.parametrize("limit", ["LARGEST_PARQUET_BYTES", "MOST_FILES"])
def test_folder_that_is_too_large_in_all_is_not_read(
    stored: ServedFeatures,
    full_source: Any,
    scorer: Scorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    definitions = in_folder(stored, tmp_path)
    parts = [path.stat().st_size for path in path_of(definitions).rglob("*.parquet")]
    # More than any one of them.
    monkeypatch.setattr(module, limit, 2 if limit == "MOST_FILES" else sum(parts) - 1)
    assert asyncio.run(Samples(CurrentRequests(definitions), Ready(full_source), Ready(scorer)).keys()) == []


def test_walk_through_a_folder_that_leads_to_itself_ends(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, tmp_path: Path
) -> None:
    definitions = in_folder(stored, tmp_path)
    (path_of(definitions) / "again").symlink_to(path_of(definitions))
    (path_of(definitions) / "later/again").symlink_to(path_of(definitions))
    assert asyncio.run(Samples(CurrentRequests(definitions), Ready(full_source), Ready(scorer)).keys()) == []


def test_parquet_that_comes_later_is_found(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = placed_at(stored, tmp_path / "later.parquet")
    samples = Samples(CurrentRequests(later), Ready(full_source), Ready(scorer))
    with caplog.at_level(logging.INFO, module.__name__):
        assert [asyncio.run(samples.examples()) for _ in range(3)] == [[], [], []]
    assert [record.message for record in caplog.records] == [
        f"The console has no sample of transactions: {caplog.records[0].args[0]}"
    ]
    write(later, path_of(later), range(COUNT))
    assert len(asyncio.run(samples.keys())) == COUNT
    assert len(asyncio.run(samples.examples())) >= 3


def test_rows_that_are_materialized_later_become_examples(
    stored: ServedFeatures, full_source: Any, scorer: Scorer
) -> None:
    held, full_source.held = full_source.held, {}
    samples = Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer))
    assert asyncio.run(samples.examples()) == []
    full_source.held = held
    assert len(asyncio.run(samples.examples())) >= 3


@pytest.mark.parametrize("folder", [False, True])
def test_parquet_that_changes_is_drawn_from_again(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, tmp_path: Path, folder: bool
) -> None:
    definitions = in_folder(stored, tmp_path) if folder else stored
    samples = Samples(CurrentRequests(definitions), Ready(full_source), Ready(scorer))
    assert ("100",) not in asyncio.run(samples.keys())
    asyncio.run(samples.examples())
    fresh = full_source.held["0"]
    full_source.held = {"100": replace(fresh, key=("100",))}
    part = path_of(definitions) / "later/two.parquet" if folder else path_of(definitions)
    write(definitions, part, [100])
    assert ("100",) in asyncio.run(samples.keys())
    assert [example.key[0] for example in asyncio.run(samples.examples())] == ["100"]


def test_parquet_of_the_same_size_is_told_apart_by_its_time(
    stored: ServedFeatures, full_source: Any, scorer: Scorer
) -> None:
    samples = Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer))
    before, status = asyncio.run(samples.keys()), path_of(stored).stat()
    write(stored, path_of(stored), [*range(COUNT - 1), 99])
    os.utime(path_of(stored), ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert set(asyncio.run(samples.keys())) - set(before) == {("99",)}


def test_unchanged_parquet_is_read_once(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    sample_keys = module.sample_keys
    monkeypatch.setattr(module, "sample_keys", lambda *given: (drawn.append(1), sample_keys(*given))[1])
    samples = Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer))
    assert asyncio.run(samples.keys()) == asyncio.run(samples.keys())
    assert drawn == [1]


def test_examples_are_judged_again_after_a_while(
    stored: ServedFeatures, full_source: Any, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer))
    before = asyncio.run(samples.examples())
    full_source.held = {
        number: replace(item, values={**item.values, "amount": 1.0})
        for number, item in full_source.held.items()
    }
    assert asyncio.run(samples.examples()) == before
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    assert max(example.fraud_probability for example in asyncio.run(samples.examples())) < scorer.threshold


def test_sample_is_bounded(stored: ServedFeatures, full_source: Any, scorer: Scorer) -> None:
    assert len(
        asyncio.run(Samples(CurrentRequests(stored), Ready(full_source), Ready(scorer)).keys())
    ) == min(SAMPLE, COUNT)
