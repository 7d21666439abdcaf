"""Labelled transactions with the features that were known at the time of each.

The labels come from the prepared Parquet, the features from Feast's point-in-time join through the
feature service, the way a server gets them: nothing that was written later can leak into training.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from poc.dataset.label import LABEL
from poc.definitions import FeatureSet, feature_set, read_definitions
from poc.errors import (
    ColumnsMissing,
    DatasetNotPrepared,
    DatasetUnreadable,
    DefinitionsChanged,
    LabelsUnavailable,
    TooFewExamples,
)
from poc.feature_store import open_feature_store
from poc.retrieval.plan import resolve_plan
from poc.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

# The column in which Feast looks for the time of an entity row.
EVENT_TIMESTAMP = "event_timestamp"
TRAINING_SHARE = 0.6
VALIDATION_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Labelled transactions in order of time.

    Attributes:
        rows: one row an example: join key, `event_timestamp`, the features, `is_fraud` as 0 or 1.
        definitions: the features, as the registry has them.
        feature_service: the service they were read through.
        unlabelled: rows of the Parquet left out because they have no label.
        repeated: rows left out because several have the same id and time, and Feast knows but one.
        unmatched: labelled rows left out because Feast has no features for their id and time.
    """

    rows: "pd.DataFrame"
    definitions: FeatureSet
    feature_service: str
    unlabelled: int
    repeated: int
    unmatched: int


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Three parts of the examples, each later than the one before; no moment is in two of them."""

    training: "pd.DataFrame"
    validation: "pd.DataFrame"
    test: "pd.DataFrame"

    def __iter__(self) -> Iterator[tuple[str, "pd.DataFrame"]]:
        yield from (("training", self.training), ("validation", self.validation), ("test", self.test))


def labelled_examples(settings: Settings) -> Examples:
    """Join the labels of the prepared Parquet to the features that Feast has for their ids and times.

    Raises:
        NotInProjectFolder, InvalidDefinitions: there is no usable feature repository.
        FeaturesNotApplied: the registry does not know the feature service.
        DefinitionsChanged: the registry has other features than features.py.
        DatasetNotPrepared, DatasetUnreadable, ColumnsMissing: there is no Parquet to use.
        LabelsUnavailable: no row of it has a label.
    """
    declared = read_definitions(settings)
    store = open_feature_store(settings)
    definitions = _applied_definitions(store, settings.feature_service, declared)
    labels, unlabelled, repeated = _read_labels(definitions)
    rows = _join_features(store, settings.feature_service, definitions, labels)
    return Examples(
        rows=rows,
        definitions=definitions,
        feature_service=settings.feature_service,
        unlabelled=unlabelled,
        repeated=repeated,
        unmatched=len(labels) - len(rows),
    )


def split_by_time(rows: "pd.DataFrame") -> Split:
    """Cut `rows`, which are in order of time, into the oldest 60 %, the next 20 % and the newest 20 %.

    Raises:
        TooFewExamples: a part has no fraud, or nothing else.
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
    """Give the first and the last event time of `part`, UTC."""
    times = part[EVENT_TIMESTAMP]
    return times.iloc[0].to_pydatetime(), times.iloc[-1].to_pydatetime()


def _applied_definitions(store: "FeatureStore", service: str, declared: FeatureSet) -> FeatureSet:
    """Give the service's features as the registry has them: these are the ones that can be served."""
    plan = resolve_plan(store, service)
    applied = feature_set(plan.table)
    differing = {(item.name, str(item.dtype)) for item in applied.features} ^ {
        (item.name, str(item.dtype)) for item in declared.features
    }
    if differing:
        raise DefinitionsChanged(sorted({name for name, _ in differing}))
    chosen = tuple(item for item in applied.features if item.name in plan.feature_names)
    return replace(applied, features=chosen)


def _read_labels(definitions: FeatureSet) -> "tuple[pd.DataFrame, int, int]":
    """Read id, event time and label; tell how many rows have no label, and how many are repeated."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = definitions.source_path
    if not path.is_file():
        raise DatasetNotPrepared(path)
    key, moment = definitions.join_key, definitions.timestamp_column
    try:
        present = pq.read_schema(path).names
        wanted = [key, moment, LABEL, *definitions.names]
        missing = [name for name in wanted if name not in present]
        if missing:
            raise ColumnsMissing(path, missing, present)
        stored = pd.read_parquet(path, columns=[key, moment, LABEL])
    except (pa.ArrowException, OSError) as error:
        raise DatasetUnreadable(path, str(error).partition("\n")[0]) from error
    # Feast sorts by the time of writing, then by the event time with a sort that is not stable: of two
    # rows of one id and time it takes either, so a label might meet the features of the other.
    repeated = stored.duplicated([key, moment], keep=False)
    kept = stored[~repeated & stored[LABEL].notna()]
    if kept.empty:
        raise LabelsUnavailable(path, f"its column {LABEL} is empty")
    labels = pd.DataFrame(
        {
            key: kept[key].astype(str),
            EVENT_TIMESTAMP: pd.to_datetime(kept[moment], utc=True),
            LABEL: kept[LABEL].astype(int),
        }
    )
    return labels, len(stored) - int(repeated.sum()) - len(kept), int(repeated.sum())


def _join_features(
    store: "FeatureStore", service: str, definitions: FeatureSet, labels: "pd.DataFrame"
) -> "pd.DataFrame":
    keys = [definitions.join_key, EVENT_TIMESTAMP]
    known = store.get_historical_features(
        entity_df=labels[keys], features=store.get_feature_service(service)
    ).to_df()
    # The file store keeps neither the order nor repeated rows, so a label finds its row by id and time.
    known[EVENT_TIMESTAMP] = known[EVENT_TIMESTAMP].astype(labels[EVENT_TIMESTAMP].dtype)
    known = known.dropna(how="all", subset=list(definitions.names))
    joined = labels.merge(known, how="inner", on=keys, validate="one_to_one")
    rows: pd.DataFrame = joined.sort_values(keys[::-1], kind="stable", ignore_index=True)
    return rows
