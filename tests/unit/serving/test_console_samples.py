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

from poc.definitions import FeatureSet
from poc.model.scoring import Scorer
from poc.retrieval.source import TransactionFeatures
from poc.serving.console import samples as module
from poc.serving.console.samples import SAMPLE, SHOWN, Samples

COUNT = 20


class Ready:
    """What `Kept` is once it is open."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def get(self) -> Any:
        return self.value


@pytest.fixture
def stored(served_definitions: FeatureSet, tmp_path: Path) -> FeatureSet:
    """Definitions whose Parquet holds the ids 0 to 19."""
    placed = replace(served_definitions, source_path=tmp_path / "payments.parquet")
    write(placed, placed.source_path, range(COUNT))
    return placed


def write(definitions: FeatureSet, path: Path, numbers: Iterable[int]) -> None:
    """Write a Parquet with these ids."""
    ids = [str(number) for number in numbers]
    times = pd.Series([datetime(2026, 1, 1, tzinfo=timezone.utc)] * len(ids))
    frame = pd.DataFrame({definitions.join_key: ids, definitions.timestamp_column: times})
    frame.to_parquet(path)


@pytest.fixture
def full_source(source: Any) -> Any:
    """Holds them, with amounts of 0 to 570: from 300 on the model takes them for fraud."""
    fresh: TransactionFeatures = source.held["12345"]
    source.held = {
        str(number): replace(
            fresh, transaction_id=str(number), values={**fresh.values, "amount": 30.0 * number}
        )
        for number in range(COUNT)
    }
    return source


def test_examples_go_from_the_most_suspicious_to_the_least(
    stored: FeatureSet, full_source: Any, scorer: Scorer
) -> None:
    found = asyncio.run(Samples(stored, Ready(full_source), Ready(scorer)).examples())
    assert 3 <= len(found) <= SHOWN
    scores = [example.fraud_probability for example in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= scorer.threshold > scores[-1]
    assert scores == scorer.score([full_source.held[example.transaction_id].values for example in found])


def test_examples_are_kept_until_another_model_judges(
    stored: FeatureSet, full_source: Any, scorer: Scorer
) -> None:
    model = Ready(scorer)
    samples = Samples(stored, Ready(full_source), model)

    async def asked() -> None:
        first = await samples.examples()
        assert await samples.examples() == first
        assert len(full_source.reads) == 1
        model.value = replace(scorer, card=replace(scorer.card, version="2"))
        assert await samples.examples() == first
        assert len(full_source.reads) == 2

    asyncio.run(asked())


def test_transactions_that_the_store_does_not_know_are_no_examples(
    stored: FeatureSet, full_source: Any, scorer: Scorer
) -> None:
    full_source.held = {"7": full_source.held["7"]}
    found = asyncio.run(Samples(stored, Ready(full_source), Ready(scorer)).examples())
    assert [example.transaction_id for example in found] == ["7"]


def test_server_without_the_parquet_has_no_sample(
    served_definitions: FeatureSet, full_source: Any, scorer: Scorer, tmp_path: Path
) -> None:
    elsewhere = replace(served_definitions, source_path=tmp_path / "none.parquet")
    samples = Samples(elsewhere, Ready(full_source), Ready(scorer))
    assert asyncio.run(samples.ids()) == []
    assert asyncio.run(samples.examples()) == []


def test_parquet_that_is_too_large_is_not_read(
    stored: FeatureSet, full_source: Any, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Samples(stored, Ready(full_source), Ready(scorer))
    monkeypatch.setattr(module, "LARGEST_PARQUET_BYTES", stored.source_path.stat().st_size - 1)
    assert asyncio.run(samples.ids()) == []


def in_folder(stored: FeatureSet, tmp_path: Path) -> FeatureSet:
    """Definitions whose Parquet is a folder with the ids 0 to 19 in two parts, one in a folder of its own."""
    folder = tmp_path / "parts"
    (folder / "later").mkdir(parents=True)
    write(stored, folder / "one.parquet", range(COUNT // 2))
    write(stored, folder / "later/two.parquet", range(COUNT // 2, COUNT))
    return replace(stored, source_path=folder)


def test_folder_is_a_parquet_too(
    stored: FeatureSet, full_source: Any, scorer: Scorer, tmp_path: Path
) -> None:
    samples = Samples(in_folder(stored, tmp_path), Ready(full_source), Ready(scorer))
    assert sorted(map(int, asyncio.run(samples.ids()))) == list(range(COUNT))


@pytest.mark.parametrize("limit", ["LARGEST_PARQUET_BYTES", "MOST_FILES"])
def test_folder_that_is_too_large_in_all_is_not_read(
    stored: FeatureSet,
    full_source: Any,
    scorer: Scorer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    definitions = in_folder(stored, tmp_path)
    parts = [path.stat().st_size for path in definitions.source_path.rglob("*.parquet")]
    # More than any one of them.
    monkeypatch.setattr(module, limit, 2 if limit == "MOST_FILES" else sum(parts) - 1)
    assert asyncio.run(Samples(definitions, Ready(full_source), Ready(scorer)).ids()) == []


def test_walk_through_a_folder_that_leads_to_itself_ends(
    stored: FeatureSet, full_source: Any, scorer: Scorer, tmp_path: Path
) -> None:
    definitions = in_folder(stored, tmp_path)
    (definitions.source_path / "again").symlink_to(definitions.source_path)
    (definitions.source_path / "later/again").symlink_to(definitions.source_path)
    assert asyncio.run(Samples(definitions, Ready(full_source), Ready(scorer)).ids()) == []


def test_parquet_that_comes_later_is_found(
    stored: FeatureSet, full_source: Any, scorer: Scorer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    later = replace(stored, source_path=tmp_path / "later.parquet")
    samples = Samples(later, Ready(full_source), Ready(scorer))
    with caplog.at_level(logging.INFO, module.__name__):
        assert [asyncio.run(samples.examples()) for _ in range(3)] == [[], [], []]
    assert [record.message for record in caplog.records] == [
        f"The console has no sample of transactions: {caplog.records[0].args[0]}"
    ]
    write(later, later.source_path, range(COUNT))
    assert len(asyncio.run(samples.ids())) == COUNT
    assert len(asyncio.run(samples.examples())) >= 3


def test_rows_that_are_materialized_later_become_examples(
    stored: FeatureSet, full_source: Any, scorer: Scorer
) -> None:
    held, full_source.held = full_source.held, {}
    samples = Samples(stored, Ready(full_source), Ready(scorer))
    assert asyncio.run(samples.examples()) == []
    full_source.held = held
    assert len(asyncio.run(samples.examples())) >= 3


@pytest.mark.parametrize("folder", [False, True])
def test_parquet_that_changes_is_drawn_from_again(
    stored: FeatureSet, full_source: Any, scorer: Scorer, tmp_path: Path, folder: bool
) -> None:
    definitions = in_folder(stored, tmp_path) if folder else stored
    samples = Samples(definitions, Ready(full_source), Ready(scorer))
    assert "100" not in asyncio.run(samples.ids())
    asyncio.run(samples.examples())
    fresh = full_source.held["0"]
    full_source.held = {"100": replace(fresh, transaction_id="100")}
    part = definitions.source_path / "later/two.parquet" if folder else definitions.source_path
    write(definitions, part, [100])
    assert "100" in asyncio.run(samples.ids())
    assert [example.transaction_id for example in asyncio.run(samples.examples())] == ["100"]


def test_parquet_of_the_same_size_is_told_apart_by_its_time(
    stored: FeatureSet, full_source: Any, scorer: Scorer
) -> None:
    samples = Samples(stored, Ready(full_source), Ready(scorer))
    before, status = asyncio.run(samples.ids()), stored.source_path.stat()
    write(stored, stored.source_path, [*range(COUNT - 1), 99])
    os.utime(stored.source_path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000))
    assert set(asyncio.run(samples.ids())) - set(before) == {"99"}


def test_unchanged_parquet_is_read_once(
    stored: FeatureSet, full_source: Any, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []
    sample_ids = module.sample_ids
    monkeypatch.setattr(module, "sample_ids", lambda *given: (drawn.append(1), sample_ids(*given))[1])
    samples = Samples(stored, Ready(full_source), Ready(scorer))
    assert asyncio.run(samples.ids()) == asyncio.run(samples.ids())
    assert drawn == [1]


def test_examples_are_judged_again_after_a_while(
    stored: FeatureSet, full_source: Any, scorer: Scorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = Samples(stored, Ready(full_source), Ready(scorer))
    before = asyncio.run(samples.examples())
    full_source.held = {
        number: replace(item, values={**item.values, "amount": 1.0})
        for number, item in full_source.held.items()
    }
    assert asyncio.run(samples.examples()) == before
    monkeypatch.setattr(module, "FRESH_SECONDS", 0.0)
    assert max(example.fraud_probability for example in asyncio.run(samples.examples())) < scorer.threshold


def test_sample_is_bounded(stored: FeatureSet, full_source: Any, scorer: Scorer) -> None:
    assert len(asyncio.run(Samples(stored, Ready(full_source), Ready(scorer)).ids())) == min(SAMPLE, COUNT)
