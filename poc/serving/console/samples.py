"""Transactions to begin with: some ids of the prepared Parquet, where this server has it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from poc.dataset.stored import sample_ids
from poc.definitions import FeatureSet
from poc.errors import PocError
from poc.retrieval.source import FeatureSource, TransactionFeatures
from poc.serving.kept import Kept

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

log = logging.getLogger(__name__)

SAMPLE = 200
# To draw ids all of them are read: not of a lake, for a page.
LARGEST_PARQUET_BYTES = 64 * 1024**2
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Example:
    """A transaction that is worth a look.

    Attributes:
        transaction_id: the transaction.
        fraud_probability: 0 to 1, when it was judged for this list.
    """

    transaction_id: str
    fraud_probability: float


class Samples:
    """Ids of the Parquet, read once, and some that the model tells apart.

    Args:
        definitions: name the Parquet.
        features: where to read what the examples are judged by.
        model: judges them, uncounted.
    """

    def __init__(
        self, definitions: FeatureSet, features: "Kept[FeatureSource]", model: "Kept[Scorer]"
    ) -> None:
        self._definitions, self._features, self._model = definitions, features, model
        self._ids: list[str] | None = None
        self._examples: tuple[str, list[Example]] | None = None

    async def ids(self) -> list[str]:
        """Give the sampled ids; none where there is no Parquet, or one that is too large."""
        if self._ids is None:
            self._ids = await run_in_threadpool(self._read_ids)
        return self._ids

    async def examples(self) -> list[Example]:
        """Give some sampled transactions, the most suspicious first, down to the least.

        Raises:
            PocError: they cannot be judged now.
        """
        scorer, source = self._model.get(), self._features.get()
        if self._examples is None or self._examples[0] != scorer.version:
            self._examples = scorer.version, await self._judged(scorer, source)
        return self._examples[1]

    def _read_ids(self) -> list[str]:
        try:
            if self._definitions.source_path.stat().st_size > LARGEST_PARQUET_BYTES:
                return []
            return sample_ids(self._definitions, SAMPLE)
        except (PocError, OSError) as error:
            log.info("The console has no sample of transactions: %s", error)
            return []

    async def _judged(self, scorer: "Scorer", source: FeatureSource) -> list[Example]:
        found = [item for item in await read_features(source, await self.ids()) if item is not None]
        if not found or not set(scorer.inputs) <= set(source.feature_names):
            return []
        scores = scorer.score([item.values for item in found])
        ranked = sorted(
            (Example(item.transaction_id, score) for item, score in zip(found, scores, strict=True)),
            key=lambda example: example.fraud_probability,
            reverse=True,
        )
        return _spread(ranked, scorer.threshold)


async def read_features(
    source: FeatureSource, transaction_ids: Sequence[str]
) -> list[TransactionFeatures | None]:
    """Read without blocking the event loop; see `FeatureSource.read`."""
    if source.async_read is not None:
        return await source.async_read(transaction_ids)
    return await run_in_threadpool(source.read, transaction_ids)


def _spread(ranked: Sequence[Example], threshold: float) -> list[Example]:
    """Choose of `ranked`: the first two, the one nearest to the threshold, the middle and the last."""
    nearest = min(range(len(ranked)), key=lambda place: abs(ranked[place].fraud_probability - threshold))
    last = len(ranked) - 1
    places = sorted({0, min(1, last), nearest, last // 2, last})
    return [ranked[place] for place in places[:SHOWN]]
