"""Labelled transactions with the features that were known at the time of each.

The labels come from the source that has them, the features from a point-in-time join of each view of the
feature service: nothing that happened or was written later can leak into training.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from poc import errors
from poc.dataset.checks import as_labels
from poc.dataset.columns import LABEL, arrow_type
from poc.dataset.conversion import convert, convert_times
from poc.dataset.history import NEVER, Integers, entity_numbers, known_then, microseconds
from poc.dataset.stored import labelled_view, open_source, read_source
from poc.definitions import (
    DECLARED_IN,
    Feature,
    FeatureSet,
    JoinKey,
    ServedFeatures,
    ServedView,
    applied_service,
)
from poc.feature_store import open_feature_store
from poc.online_store.latest import LatestRows
from poc.repository import declared_service
from poc.settings import Settings

TRAINING_SHARE = 0.6
VALIDATION_SHARE = 0.2
# The column in which Feast looks for the time of an entity row.
EVENT_TIMESTAMP = "event_timestamp"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How many rows of the labels' source are no examples.

    Attributes:
        repeated: several have the same keys, time and created time, and nothing says which one is right.
        corrected: one that was created later has the same keys and time.
        keyless: one of their keys is null: nothing can be asked by that.
        unmatched: no features were known for their keys at their time.
    """

    unlabelled: int
    repeated: int
    corrected: int
    keyless: int
    unmatched: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labelled payments, one for the same keys and time.

    Attributes:
        rows: the service's join keys, `event_timestamp`, and `is_fraud` as 0 or 1.
        created: when the first row of those keys and that time was created, in microseconds; before all times
            where it does not say.
    """

    rows: pa.Table
    created: Integers
    left_out: LeftOut


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled transactions in order of time.

    `rows` are of the service's join keys, `event_timestamp`, the features, and `is_fraud` as 0 or 1.
    """

    rows: pd.DataFrame
    served: ServedFeatures
    left_out: LeftOut


class Split(NamedTuple):
    """Three parts of the examples, each later than the one before; no moment is in two of them."""

    training: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame


def labelled_examples(settings: Settings) -> Examples:
    """Join the labels to the features that were known for their keys at their times.

    Raises NotInProjectFolder, InvalidDefinitions, FeaturesNotApplied, DefinitionsChanged,
    DatasetNotPrepared, DatasetUnreadable, DatasetRefused, ColumnsMissing, LabelsUnavailable.
    """
    declared = declared_service(settings)
    store = open_feature_store(settings)
    served = applied_service(store, settings.feature_service)
    differing = _stated(declared) ^ _stated(served)
    if differing:
        raise errors.DefinitionsChanged(sorted({name for _, name, _ in differing}))
    for definitions in served.feature_sets:
        _require_joinable(definitions)
    if LABEL in served.names:
        reason = f"takes {LABEL}, which is what the model is to predict: leave it out"
        raise errors.InvalidDefinitions(DECLARED_IN, f"service {served.service} {reason}")
    labelled = labelled_view(served)
    labels = read_labels(served, labelled)
    rows = _join_features(served, labelled, labels)
    return Examples(rows, served, replace(labels.left_out, unmatched=labels.rows.num_rows - len(rows)))


def split_by_time(rows: pd.DataFrame) -> Split:
    """Cut `rows`, which are in order of time, into the oldest 60 %, the next 20 % and the newest 20 %.

    Raises TooFewExamples: a part has no fraud, or nothing else.
    """
    if rows.empty:
        raise errors.TooFewExamples("training", "no rows: no features were known for any label at its time")
    times = rows[EVENT_TIMESTAMP]
    first = times.iloc[int(len(rows) * TRAINING_SHARE)]
    second = times.iloc[int(len(rows) * (TRAINING_SHARE + VALIDATION_SHARE))]
    # Cut between moments, not between rows: rows of one moment know of each other.
    split = Split(rows[times < first], rows[(times >= first) & (times < second)], rows[times >= second])
    for name, part in split._asdict().items():
        if part.empty:
            commonest, count = next(iter(times.value_counts().items()))
            why = f"{count:,} of the {len(rows):,} rows have one time, {commonest:%Y-%m-%dT%H:%M:%SZ}"
            raise errors.TooFewExamples(name, f"no rows: {why}")
        frauds = int(part[LABEL].sum())
        if frauds in (0, len(part)):
            which = "no fraud" if frauds == 0 else "nothing but frauds"
            raise errors.TooFewExamples(name, f"{len(part):,} rows and {which}")
    return split


def time_span(part: pd.DataFrame) -> tuple[datetime, datetime]:
    """Return the first and the last event time of `part`, UTC."""
    times = part[EVENT_TIMESTAMP]
    return times.iloc[0].to_pydatetime(), times.iloc[-1].to_pydatetime()


def _stated(served: ServedFeatures) -> set[tuple[str, str, str]]:
    """Name what is declared of the views, and what the service takes of them."""
    parts: dict[str, ServedFeatures | FeatureSet] = {"": served}
    parts |= {definitions.view: definitions for definitions in served.feature_sets}
    found: set[tuple[str, str, str]] = set()
    for place, part in parts.items():
        items: tuple[JoinKey | Feature, ...] = (*part.join_keys, *part.features)
        found |= {(place, item.name, str(item.dtype)) for item in items}
    return found


def _require_joinable(definitions: FeatureSet) -> None:
    """Refuse a source that Feast cannot join."""
    schema = open_source(definitions).schema
    for key in definitions.join_keys:
        stored = schema.field(definitions.column(key.name)).type
        if _is_text(stored) != _is_text(arrow_type(key)):
            problem = f"{definitions.column(key.name)} is {stored}, declared {key.dtype}"
            raise errors.DatasetRefused(definitions.source_path, [problem])


def _is_text(kind: pa.DataType) -> bool:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def _join_features(served: ServedFeatures, labelled: ServedView, labels: Labels) -> pd.DataFrame:
    """Join to each label the features of its keys and time; those of a view that has none are null."""
    rows: pd.DataFrame = labels.rows.to_pandas()
    moments = microseconds(labels.rows.column(EVENT_TIMESTAMP))
    for view in served.views:
        # A payment is written down after it was made, with what was known of it then.
        beside = view.definitions.source_path == labelled.definitions.source_path
        until = np.maximum(moments, labels.created) if beside else moments
        keys = [labels.rows.column(name) for name in view.request_keys]
        known = known_then(view.definitions, view.names, keys, moments, until)
        rows = rows.join(known.replace_schema_metadata(None).to_pandas())
    rows = rows.dropna(how="all", subset=list(served.names))
    order = [EVENT_TIMESTAMP, *served.key_names]
    ordered: pd.DataFrame = rows.sort_values(order, kind="stable", ignore_index=True)
    return ordered


def read_labels(served: ServedFeatures, labelled: ServedView) -> Labels:
    """Read the labels from the source of `labelled`: of a payment that was corrected, the latest.

    Raises DatasetNotPrepared, DatasetUnreadable, DatasetRefused, ColumnsMissing, LabelsUnavailable.
    """
    definitions, columns = labelled.definitions, served.key_columns(labelled)
    times = [definitions.timestamp_column]
    if definitions.created_timestamp_column is not None:
        times.append(definitions.created_timestamp_column)
    wanted = [*columns.values(), *times, definitions.column(LABEL)]
    stored = read_source(definitions, list(dict.fromkeys(wanted)))
    keys = {key.name: convert(stored.column(columns[key.name]), arrow_type(key)) for key in served.join_keys}
    moments, *created_column = (convert_times(stored.column(name)) for name in times)
    label = as_labels(stored.column(definitions.column(LABEL)), definitions)
    rows = pa.table({**keys, EVENT_TIMESTAMP: moments, LABEL: label})

    own = [*(keys[name] for name in labelled.request_keys or keys), moments]
    payments = entity_numbers(own, rows.num_rows)
    written = entity_numbers([*own, *created_column], rows.num_rows)
    repeated = np.bincount(written)[written] > 1
    created = microseconds(created_column[0]) if created_column else np.full(rows.num_rows, NEVER)
    first_created = np.full(rows.num_rows, np.iinfo(np.int64).max)
    np.minimum.at(first_created, payments, created)
    is_labelled = ~repeated & rows.column(LABEL).is_valid().to_numpy()
    if not is_labelled.any():
        reason, way_out = f"its column {definitions.column(LABEL)} is empty", None
        if label.null_count < len(label):
            reason = "of each payment there are rows of the same time, and nothing says which one is right"
            way_out = "Take out all but one of each; then: python poc/train_fraud_model.py"
        raise errors.LabelsUnavailable([definitions.source_path], reason, way_out=way_out)
    has_keys = np.logical_and.reduce([column.is_valid().to_numpy() for column in rows.columns[:-1]])
    usable = np.flatnonzero(is_labelled & has_keys)
    latest = LatestRows(["payment"], ["created"])
    latest.add(pa.record_batch({"payment": payments[usable], "created": created[usable]}))
    kept = usable[latest.positions()]
    left_out = LeftOut(
        unlabelled=int((~repeated & ~is_labelled).sum()),
        repeated=int(repeated.sum()),
        corrected=len(usable) - len(kept),
        keyless=int(is_labelled.sum()) - len(usable),
    )
    return Labels(rows.take(pa.array(kept)), first_created[payments[kept]], left_out)
