"""Transactions to begin with: some keys of the prepared sources, where this server has them."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

from starlette.concurrency import run_in_threadpool

from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures
from poc.errors import PocError
from poc.online_store.source import matched
from poc.retrieval.source import EntityKey
from poc.serving.prediction import require_inputs
from poc.serving.request_models import CurrentRequests
from poc.serving.resources import FeatureResource, ModelResource

log = logging.getLogger(__name__)

SAMPLE = 200
# To draw keys all of them are read: not of a lake, for a page.
LARGEST_PARQUET_BYTES = 64 * 1024**2
MOST_FILES = 1000
# A materialization changes what the store holds without a sign that this server sees.
FRESH_SECONDS = 60.0
# Its path, its size in bytes and when it was changed, in ns.
_File: TypeAlias = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Example:
    """A transaction that is worth a look, with its probability when it was judged for this list."""

    key: EntityKey
    fraud_probability: float


class Samples:
    """Keys of the sources, drawn again when those change, and some that the model tells apart.

    What comes to nothing is not kept: a source, or its rows in the store, may come later.
    """

    def __init__(self, current: CurrentRequests, features: FeatureResource, model: ModelResource) -> None:
        self._current, self._features, self._model = current, features, model
        self._drawn: tuple[ServedFeatures, list[_File], list[EntityKey]] | None = None
        # By which model version, of which keys; what came of it, and when.
        self._judged: tuple[tuple[str, list[EntityKey]], list[Example], float] | None = None
        self._told: str | None = None

    async def keys(self) -> list[EntityKey]:
        """Return the sampled keys; none where there is no source, or one that is too large."""
        return await run_in_threadpool(self._current_keys)

    async def examples(self) -> list[Example]:
        """Return sampled transactions, the most suspicious first; raise a `PocError` if none is judged."""
        scorer, source, keys = self._model.get(), self._features.get(), await self.keys()
        known, now, by = self._judged, time.monotonic(), (scorer.version, keys)
        if known is not None and known[0] == by and now - known[2] < FRESH_SECONDS:
            return known[1]
        require_inputs(scorer, source.served)
        inputs = set(scorer.inputs)
        found = [item for item in await source.read(keys) if item is not None and inputs <= set(item.values)]
        if not found:
            self._judged = None
            return []
        scores = scorer.score([item.values for item in found])
        judged = [Example(item.key, score) for item, score in zip(found, scores, strict=True)]
        ranked = sorted(judged, key=lambda example: example.fraud_probability, reverse=True)
        examples = _spread(ranked, scorer.threshold)
        self._judged = by, examples, now
        return examples

    def _current_keys(self) -> list[EntityKey]:
        served = self._current.served
        try:
            files = _small([view.source_path for view in served.feature_sets])
            known = self._drawn
            if known is not None and known[0] is served and known[1] == files:
                return known[2]
            keys = sample_keys(served, SAMPLE)
        except (PocError, OSError) as error:
            # Asked for again and again: said once.
            if self._told != str(error):
                self._told = str(error)
                log.info("The console has no sample of transactions: %s", error)
            return []
        self._drawn = (served, files, keys) if keys else None
        return keys


def _small(paths: Sequence[Path]) -> list[_File]:
    """List what the sources, each a Parquet file or a folder of such, consist of.

    An `OSError` says that one is not there, may not be read, or that they are too large for a page.
    """
    names = islice(chain.from_iterable(map(_walked, paths)), MOST_FILES + 1)
    found = {name: Path(name).stat() for name in names}
    if len(found) > MOST_FILES or sum(item.st_size for item in found.values()) > LARGEST_PARQUET_BYTES:
        limits = f"{LARGEST_PARQUET_BYTES:,} bytes or {MOST_FILES:,} files and folders"
        raise OSError(f"{', '.join(map(str, paths))}: larger than {limits}")
    return sorted((name, item.st_size, item.st_mtime_ns) for name, item in found.items())


def _walked(path: Path) -> Iterator[str]:
    """Go through the files, or through what lies in the folder; folders count, so that any walk ends."""
    if not path.is_dir():
        there = matched(str(path))
        yield from there if isinstance(there, list) else [str(path)]
        return
    # Links are followed, as the reader of the dataset does.
    for folder, folders, names in os.walk(path, onerror=_refuse, followlinks=True):
        yield from (str(Path(folder, name)) for name in (*folders, *names))


def _refuse(error: OSError) -> None:
    raise error


def _spread(ranked: Sequence[Example], threshold: float) -> list[Example]:
    """Choose of `ranked`: the first two, the one nearest to the threshold, the middle and the last."""
    nearest = min(range(len(ranked)), key=lambda place: abs(ranked[place].fraud_probability - threshold))
    last = len(ranked) - 1
    places = sorted({0, min(1, last), nearest, last // 2, last})
    return [ranked[place] for place in places]
