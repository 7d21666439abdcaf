"""The training reference: how the features were distributed in what the served model was made from.

A file, so that a materialization can be held to it while MLflow is down; one for each alias of a model, so
that training a challenger does not change what the champion's features are held to. Knows how it is made,
kept and read; what a batch must be like is the business of `poc.quality`.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
from pydantic import AwareDatetime, TypeAdapter, ValidationError

from poc.dataset.columns import arrow_type
from poc.dataset.conversion import convert
from poc.dataset.distribution import Distribution, distribution
from poc.definitions import ServedFeatures
from poc.errors import ReferenceUnreadable
from poc.output import UNKNOWN_COMMIT, replacing
from poc.settings import Settings

# In the model's MLflow run. In the data folder the name says of which model and alias it is.
REFERENCE_FILE = "training_reference.json"


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """A feature's type in the training data, by Feast's name, and distribution: None where it had none."""

    dtype: str
    distribution: Distribution | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReference:
    """What a model was made from; `rows` counts the labelled transactions of all three parts."""

    model_name: str
    model_alias: str
    model_version: str
    feature_service: str
    created_at: AwareDatetime
    rows: int
    features: Mapping[str, FeatureReference]
    git_commit: str = UNKNOWN_COMMIT


def reference_features(served: ServedFeatures, rows: pd.DataFrame) -> dict[str, FeatureReference]:
    """Summarize `rows`: a column for each feature of `served`.

    All rows that the model was made from, not only its training part: what it was trained, tuned and
    tested on can then not count as drifted, however it changed in the course of time.
    """
    features = {}
    for feature in served.features:
        column = pa.chunked_array([pa.array(rows[feature.name], from_pandas=True)])
        typed = convert(column, arrow_type(feature))
        features[feature.name] = FeatureReference(str(feature.dtype), distribution(typed))
    return features


def reference_json(reference: TrainingReference) -> str:
    """Write `reference` as JSON."""
    return TypeAdapter(TrainingReference).dump_json(reference, indent=2).decode() + "\n"


@contextmanager
def reference_in_place(settings: Settings, reference: TrainingReference) -> Iterator[None]:
    """Put `reference` in place of the one before of the same alias, once the block has ended well.

    All that can fail is done before the block: a model is not promoted without its reference.

    Raises OutputNotWritable: the disk refuses it; what was there stays.
    """
    with replacing(reference_path(settings)) as draft:
        with draft.open("w", encoding="utf-8") as file:
            file.write(reference_json(reference))
            file.flush()
            os.fsync(file.fileno())
        yield


def read_reference(settings: Settings) -> TrainingReference | None:
    """Read the reference of the served model; None where its file is not on this machine.

    Raises ReferenceUnreadable: the file is no training reference, or that of another model or alias.
    """
    path = reference_path(settings)
    try:
        reference = TypeAdapter(TrainingReference).validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReferenceUnreadable(path, str(error.strerror)) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ReferenceUnreadable(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    found = (reference.model_name, reference.model_alias)
    if found != (settings.model_name, settings.model_alias):
        raise ReferenceUnreadable(path, f"it is that of model {found[0]} with alias {found[1]}")
    return reference


def reference_path(settings: Settings) -> Path:
    """Name the file of the served model, after MLflow's name@alias."""
    name, alias = (quote(part, safe="") for part in (settings.model_name, settings.model_alias))
    return settings.data_dir / f"training_reference.{name}@{alias}.json"
