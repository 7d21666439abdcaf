"""Labelled transactions with the features that were known at the time of each.

The labels come from the source that has them, the features from Feast's point-in-time join, view by view of
the feature service: nothing that was written later can leak into training.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from poc.dataset.column_types import LABEL, arrow_type, key_columns
from poc.dataset.conversion import convert, convert_times
from poc.dataset.stored import labelled_view, open_source, read_source
from poc.definitions import DECLARED_IN, FeatureSet, ServedFeatures, ServedView, applied_service
from poc.errors import (
    DatasetRefused,
    DefinitionsChanged,
    InvalidDefinitions,
    LabelsUnavailable,
    TooFewExamples,
)
from poc.feature_store import declared_service, open_feature_store
from poc.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

TRAINING_SHARE = 0.6
VALIDATION_SHARE = 0.2
# The column in which Feast looks for the time of an entity row.
EVENT_TIMESTAMP = "event_timestamp"


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled transactions in order of time.

    Attributes:
        rows: one row an example: the service's join keys, `event_timestamp`, the features, `is_fraud` as
            0 or 1.
        repeated: rows left out because several have the same keys and time, and Feast knows but one.
        unmatched: labelled rows left out because Feast has no features for their keys and time.
        keyless: labelled rows left out because one of their keys is null: nothing can be asked by that.
    """

    rows: "pd.DataFrame"
    served: ServedFeatures
    unlabelled: int
    repeated: int
    unmatched: int
    keyless: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Three parts of the examples, each later than the one before; no moment is in two of them."""

    training: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"

    def __iter__(self) -> Iterator[tuple[str, "pd.DataFrame"]]:
        yield from (("training", self.training), ("validation", self.validation), ("test", self.test))


def labelled_examples(settings: Settings) -> Examples:
    """Join the labels to the features that Feast has for their keys and times.

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
    found = read_labels(served)
    rows = _join_features(store, served, found.rows)
    return replace(found, rows=rows, unmatched=len(found.rows) - len(rows))


def split_by_time(rows: "pd.DataFrame") -> Split:
    """Cut `rows`, which are in order of time, into the oldest 60 %, the next 20 % and the newest 20 %.

    Raises TooFewExamples: a part has no fraud, or nothing else.
    """
    if rows.empty:
        raise TooFewExamples("training", 0, 0)
    times = rows[EVENT_TIMESTAMP]
    first = times.iloc[int(len(rows) * TRAINING_SHARE)]
    second = times.iloc[int(len(rows) * (TRAINING_SHARE + VALIDATION_SHARE))]
    # Cut between moments, not between rows: rows of one moment know of each other.
    split = Split(rows[times < first], rows[(times >= first) & (times < second)], rows[times >= second])
    for name, part in split:
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


def _join_features(store: "FeatureStore", served: ServedFeatures, labels: "pd.DataFrame") -> "pd.DataFrame":
    """Give each label the features of its keys and time; those of a view that has none are null.

    Asked of all views at once, Feast's file store drops rows: those that share keys and time in the first
    view, and those for which a view knows only what is too old.
    """
    rows = labels
    for view in served.views:
        keys = [*view.request_keys, EVENT_TIMESTAMP]
        rows = rows.merge(_features_of(store, view, labels), how="left", on=keys, validate="many_to_one")
    rows = rows.dropna(how="all", subset=list(served.names))
    order = [EVENT_TIMESTAMP, *served.key_names]
    ordered: pd.DataFrame = rows.sort_values(order, kind="stable", ignore_index=True)
    return ordered


def _features_of(store: "FeatureStore", view: ServedView, labels: "pd.DataFrame") -> "pd.DataFrame":
    """Ask Feast for what the service takes of one view, by what the service calls its keys."""
    definitions = view.definitions
    requested = dict(zip(definitions.key_names, view.request_keys, strict=True))
    asked = labels[[*view.request_keys, EVENT_TIMESTAMP]].drop_duplicates()
    asked.columns = [*requested, EVENT_TIMESTAMP]
    features = [f"{definitions.view}:{name}" for name in view.names]
    known = store.get_historical_features(entity_df=asked, features=features).to_df()
    # The file store keeps neither the order nor the precision of times.
    typed = known.astype(asked.dtypes.to_dict())[[*requested, EVENT_TIMESTAMP, *view.names]]
    named: pd.DataFrame = typed.rename(columns=requested)
    return named


def read_labels(served: ServedFeatures) -> Examples:
    """Read keys, event time and label of every row of the source that has labels, and no features yet.

    Raises DatasetNotPrepared, DatasetUnreadable, ColumnsMissing, LabelsUnavailable.
    """
    labelled = labelled_view(served)
    definitions, columns = labelled.definitions, served.key_columns(labelled)
    moment = definitions.timestamp_column
    own = key_columns(definitions) or list(columns.values())
    wanted = list(dict.fromkeys([*columns.values(), *own, moment, LABEL]))
    stored = read_source(definitions, wanted)
    # Feast sorts by the time of writing, then by the event time with a sort that is not stable: of two
    # rows of one id and time it takes either, so a label might meet the features of the other.
    together = stored.select(list(dict.fromkeys([*own, moment])))
    repeated = together.to_pandas(integer_object_nulls=True).duplicated(keep=False)
    keys = {key.name: convert(stored.column(columns[key.name]), arrow_type(key)) for key in served.join_keys}
    times, labels = (
        convert_times(stored.column(moment)),
        convert(stored.column(LABEL), pa.int64(), binary=True),
    )
    rows = pa.table({**keys, EVENT_TIMESTAMP: times, LABEL: labels})
    known = rows.filter(pa.array(~repeated))
    labelled_rows = known.filter(known.column(LABEL).is_valid())
    if labelled_rows.num_rows == 0:
        raise LabelsUnavailable([definitions.source_path], f"its column {LABEL} is empty")
    kept = labelled_rows.drop_null()
    return Examples(
        rows=kept.to_pandas(),
        served=served,
        unlabelled=known.num_rows - labelled_rows.num_rows,
        repeated=int(repeated.sum()),
        unmatched=0,
        keyless=labelled_rows.num_rows - kept.num_rows,
    )
