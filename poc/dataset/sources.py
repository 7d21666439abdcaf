"""Where the records come from: the prepared Parquet, a person's CSV or Parquet, or the generator.

Knows which of them is to be used when several are there. What their records have to be is the business of
`prepare`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from poc.dataset.columns import value_types
from poc.dataset.csv_file import called_alike, csv_digest, read_csv
from poc.dataset.generate import SEED, can_generate, generate_dataset
from poc.dataset.parquet import Provenance, Records, read_parquet
from poc.definitions import FeatureSet
from poc.errors import DatasetMisnamed, SourceMissing, TwoDatasets

# The guide's source: records are generated for no other.
GENERATED = "credit_card_fraud_10k.parquet"


def find_sources(
    definitions: FeatureSet, csv_path: Path, *, refresh: bool
) -> tuple[Records | None, Sequence[Callable[[], Records]]]:
    """Return the Parquet in place, and what to prepare; of two the second is for when the first is refused.

    Records that are in place are kept, unless they come from another file than the CSV that is there
    now, or `refresh` asks to make them anew. A Parquet that holds the only copy of a person's records
    is never given up.

    Raises DatasetUnreadable, DatasetMisnamed, TwoDatasets, SourceMissing.
    """
    if not definitions.timestamp_column:
        # Feast infers it, from a Parquet that is there.
        raise source_missing(definitions)
    path = definitions.source_path
    stored = read_parquet(path)
    digest = csv_digest(csv_path)
    origin = None if stored is None else stored.provenance.origin
    if digest is not None:
        if origin == "parquet":
            raise TwoDatasets(csv_path, path)
        anew = partial(read_csv, csv_path, definitions.timestamp_column)
    elif origin in (None, "generated") and path.name == GENERATED and can_generate(definitions):
        # Nothing is made up where somebody's records may be.
        if alike := called_alike(csv_path.parent, path):
            raise DatasetMisnamed(alike, csv_path)
        anew = partial(_generated, path, definitions)
    elif stored is None:
        raise source_missing(definitions)
    else:
        alike = called_alike(csv_path.parent, path)
        if path.name != GENERATED:
            # Beside another source than the guide's, a Parquet may be that of a view called alike.
            alike = [item for item in alike if item.suffix.lower() != path.suffix]
        # They may be meant to replace the records, whose own file is gone.
        if alike and origin != "parquet":
            raise DatasetMisnamed(alike, csv_path, path)
        anew = None
    candidates: list[Callable[[], Records]] = [] if anew is None else [anew]
    if stored is not None and (anew is None or (not refresh and digest in (None, stored.provenance.sha256))):
        candidates.insert(0, lambda: stored)
    return stored, candidates


def source_missing(definitions: FeatureSet) -> SourceMissing:
    """Return the error that says what the source of a view has to hold."""
    columns = [*value_types(definitions, label=False), definitions.timestamp_column]
    return SourceMissing(definitions.source_path, definitions.view, list(filter(None, columns)))


def _generated(path: Path, definitions: FeatureSet) -> Records:
    provenance = Provenance("generated", None, SEED, own_timestamps=False)
    return Records(path, generate_dataset(definitions, SEED), provenance, "row {}".format)
