"""Labelled transactions with the features that were known at the time of each.

The labels come from the source that has them, the features from a point-in-time join of each view of the
feature service: nothing that happened or was written later can leak into training.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from poc.dataset.columns import LABEL, arrow_type
from poc.dataset.history import known_then
from poc.dataset.stored import labelled_view, open_source
from poc.definitions import DECLARED_IN, FeatureSet, ServedFeatures, ServedView, applied_service
from poc.errors import (
    DatasetRefused,
    DefinitionsChanged,
    InvalidDefinitions,
    TooFewExamples,
)
from poc.feature_store import open_feature_store
from poc.model.labels import EVENT_TIMESTAMP, Labels, read_labels
from poc.repository import declared_service
from poc.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

TRAINING_SHARE = 0.6
VALIDATION_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled transactions in order of time.

    Attributes:
        rows: one row an example: the service's join keys, `event_timestamp`, the features, `is_fraud` as
            0 or 1.
        repeated, keyless, corrected: rows left out, as `poc.model.labels.Labels` says.
        unmatched: labelled rows left out because no features were known for their keys at their time.
    """

    rows: "pd.DataFrame"
    served: ServedFeatures
    unlabelled: int
    repeated: int
    unmatched: int
    keyless: int = 0
    corrected: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Three parts of the examples, each later than the one before; no moment is in two of them."""

    training: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"

    def __iter__(self) -> Iterator[tuple[str, "pd.DataFrame"]]:
        yield from (("training", self.training), ("validation", self.validation), ("test", self.test))


def labelled_examples(settings: Settings) -> Examples:
    """Join the labels to the features that were known for their keys at their times.

    Raises NotInProjectFolder, InvalidDefinitions, FeaturesNotApplied, DefinitionsChanged,
    DatasetNotPrepared, DatasetUnreadable, DatasetRefused, ColumnsMissing, LabelsUnavailable.
    """
    declared = declared_service(settings)
    store = open_feature_store(settings)
    served = applied_service(store, settings.feature_service)
    _require_same(declared, served)
    for definitions in served.feature_sets:
        _require_joinable(definitions)
    if LABEL in served.names:
        reason = f"takes {LABEL}, which is what the model is to predict: leave it out"
        raise InvalidDefinitions(DECLARED_IN, f"service {served.service} {reason}")
    labelled = labelled_view(served)
    labels = read_labels(served, labelled)
    rows = _join_features(served, labelled, labels)
    return Examples(
        rows=rows,
        served=served,
        unlabelled=labels.unlabelled,
        repeated=labels.repeated,
        unmatched=labels.rows.num_rows - len(rows),
        keyless=labels.keyless,
        corrected=labels.corrected,
    )


def split_by_time(rows: "pd.DataFrame") -> Split:
    """Cut `rows`, which are in order of time, into the oldest 60 %, the next 20 % and the newest 20 %.

    Raises TooFewExamples: a part has no fraud, or nothing else.
    """
    if rows.empty:
        raise TooFewExamples("training", 0, 0, "no features were known for any label at its time")
    times = rows[EVENT_TIMESTAMP]
    first = times.iloc[int(len(rows) * TRAINING_SHARE)]
    second = times.iloc[int(len(rows) * (TRAINING_SHARE + VALIDATION_SHARE))]
    # Cut between moments, not between rows: rows of one moment know of each other.
    split = Split(rows[times < first], rows[(times >= first) & (times < second)], rows[times >= second])
    for name, part in split:
        if part.empty:
            commonest, count = next(iter(times.value_counts().items()))
            why = f"{count:,} of the {len(rows):,} rows have one time, {commonest:%Y-%m-%dT%H:%M:%SZ}"
            raise TooFewExamples(name, 0, 0, why)
        frauds = int(part[LABEL].sum())
        if frauds in (0, len(part)):
            raise TooFewExamples(name, len(part), frauds)
    return split


def time_span(part: "pd.DataFrame") -> tuple[datetime, datetime]:
    """Return the first and the last event time of `part`, UTC."""
    times = part[EVENT_TIMESTAMP]
    return times.iloc[0].to_pydatetime(), times.iloc[-1].to_pydatetime()


def _require_same(declared: ServedFeatures, applied: ServedFeatures) -> None:
    differing = _stated(declared) ^ _stated(applied)
    if differing:
        raise DefinitionsChanged(sorted({name for _, name, _ in differing}))


def _stated(served: ServedFeatures) -> set[tuple[str, str, str]]:
    """Name what is declared of the views, and what the service takes of them."""
    declared: dict[str, ServedFeatures | FeatureSet] = {"": served}
    declared |= {definitions.view: definitions for definitions in served.feature_sets}
    found: set[tuple[str, str, str]] = set()
    for place, part in declared.items():
        found |= {(place, key.name, str(key.dtype)) for key in part.join_keys}
        found |= {(place, feature.name, str(feature.dtype)) for feature in part.features}
    return found


def _require_joinable(definitions: FeatureSet) -> None:
    """Refuse a source that Feast cannot join."""
    schema = open_source(definitions).schema
    for key in definitions.join_keys:
        stored = schema.field(definitions.column(key.name)).type
        if _is_text(stored) != _is_text(arrow_type(key)):
            problem = f"{definitions.column(key.name)} is {stored}, declared {key.dtype}"
            raise DatasetRefused(definitions.source_path, [problem])


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _join_features(served: ServedFeatures, labelled: ServedView, labels: Labels) -> "pd.DataFrame":
    """Give each label the features of its keys and time; those of a view that has none are null."""
    rows: pd.DataFrame = labels.rows.to_pandas()
    for view in served.views:
        # A payment is written down after it was made, with what was known of it then.
        beside = view.definitions.source_path == labelled.definitions.source_path
        until = np.maximum(labels.moments, labels.created) if beside else labels.moments
        keys = [labels.rows.column(name) for name in view.request_keys]
        known = known_then(view.definitions, view.names, keys, labels.moments, until)
        rows = rows.join(known.replace_schema_metadata(None).to_pandas())
    rows = rows.dropna(how="all", subset=list(served.names))
    order = [EVENT_TIMESTAMP, *served.key_names]
    ordered: pd.DataFrame = rows.sort_values(order, kind="stable", ignore_index=True)
    return ordered
