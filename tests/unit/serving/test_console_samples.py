import asyncio
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
    path = tmp_path / "payments.parquet"
    times = pd.Series([datetime(2026, 1, 1, tzinfo=timezone.utc)] * COUNT)
    columns = {served_definitions.join_key: [str(number) for number in range(COUNT)]}
    pd.DataFrame({**columns, served_definitions.timestamp_column: times}).to_parquet(path)
    return replace(served_definitions, source_path=path)


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


def test_examples_are_judged_again_only_by_another_model(
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


def test_sample_is_bounded(stored: FeatureSet, full_source: Any, scorer: Scorer) -> None:
    assert len(asyncio.run(Samples(stored, Ready(full_source), Ready(scorer)).ids())) == min(SAMPLE, COUNT)
