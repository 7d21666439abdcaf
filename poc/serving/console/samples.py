"""Transactions to begin with: some ids of the prepared Parquet, where this server has it."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
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
MOST_FILES = 1000
# A materialization changes what the store holds without a sign that this server sees.
FRESH_SECONDS = 60.0
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


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class _Judged:
    version: str
    ids: list[str]
    examples: list[Example]
    at: float


class Samples:
    """Ids of the Parquet, drawn again when it changes, and some that the model tells apart.

    What comes to nothing is not kept: the Parquet, or its rows in the store, may come later.

    Args:
        definitions: name the Parquet.
        features: where to read what the examples are judged by.
        model: judges them, uncounted.
    """

    def __init__(
        self, definitions: FeatureSet, features: "Kept[FeatureSource]", model: "Kept[Scorer]"
    ) -> None:
        self._definitions, self._features, self._model = definitions, features, model
        self._drawn: tuple[list[_File], list[str]] | None = None
        self._judgement: _Judged | None = None
        self._told: str | None = None

    async def ids(self) -> list[str]:
        """Give the sampled ids; none where there is no Parquet, or one that is too large."""
        return await run_in_threadpool(self._current_ids)

    async def examples(self) -> list[Example]:
        """Give some sampled transactions, the most suspicious first, down to the least.

        Raises:
            PocError: they cannot be judged now.
        """
        scorer, source, ids = self._model.get(), self._features.get(), await self.ids()
        known, now = self._judgement, time.monotonic()
        if (
            known is not None
            and (known.version, known.ids) == (scorer.version, ids)
            and now - known.at < FRESH_SECONDS
        ):
            return known.examples
        found = await self._examples_of(ids, scorer, source)
        self._judgement = _Judged(scorer.version, ids, found, now) if found else None
        return found

    def _current_ids(self) -> list[str]:
        try:
            files = _small(self._definitions.source_path)
            known = self._drawn
            if known is not None and known[0] == files:
                return known[1]
            ids = sample_ids(self._definitions, SAMPLE)
        except (PocError, OSError) as error:
            # Asked for again and again: said once.
            if self._told != str(error):
                self._told = str(error)
                log.info("The console has no sample of transactions: %s", error)
            return []
        self._drawn = (files, ids) if ids else None
        return ids

    async def _examples_of(
        self, ids: Sequence[str], scorer: "Scorer", source: FeatureSource
    ) -> list[Example]:
        found = [item for item in await read_features(source, ids) if item is not None]
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


def _small(path: Path) -> list[_File]:
    """List what the Parquet, a file or a folder of files, consists of.

    Raises:
        OSError: it is not there, may not be read, or is too large for a page.
    """
    files: list[_File] = []
    total = 0
    for file in _files(path):
        files.append(file)
        total += file.size_bytes
        if len(files) > MOST_FILES or total > LARGEST_PARQUET_BYTES:
            raise OSError(
                f"{path} is larger than {LARGEST_PARQUET_BYTES:,} bytes or {MOST_FILES:,} files and folders"
            )
    return sorted(files, key=lambda file: file.path)


def _files(path: Path) -> Iterator[_File]:
    """Go through the file, or through what lies in the folder; folders count, so that any walk ends."""
    if not path.is_dir():
        yield _file(path)
        return
    # Links are followed, as the reader of the dataset does.
    for folder, folders, names in os.walk(path, onerror=_refuse, followlinks=True):
        for name in (*folders, *names):
            yield _file(Path(folder, name))


def _file(path: Path) -> _File:
    status = path.stat()
    return _File(str(path), status.st_size, status.st_mtime_ns)


def _refuse(error: OSError) -> None:
    raise error


def _spread(ranked: Sequence[Example], threshold: float) -> list[Example]:
    """Choose of `ranked`: the first two, the one nearest to the threshold, the middle and the last."""
    nearest = min(range(len(ranked)), key=lambda place: abs(ranked[place].fraud_probability - threshold))
    last = len(ranked) - 1
    places = sorted({0, min(1, last), nearest, last // 2, last})
    return [ranked[place] for place in places[:SHOWN]]
