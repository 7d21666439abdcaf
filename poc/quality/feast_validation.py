"""Feast's own validation: a reference, in the words of Great Expectations, and the logs that are held to it.

The reference is made in an environment of its own (.validation-venv); there Feast imports this module again
to make a profile of a log. The rules are those of the dataset's checks; instead of the population stability
index, which Great Expectations does not know, a number's mean may move so far that two normal distributions
that far apart have an index of `max_psi`: its root, in standard deviations. Logs are in Feast's format: Go's
server logged by itself, the Python servers of 0.38 do not.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from math import sqrt
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa

from poc.dataset.columns import LABEL, read_limits, read_max_psi
from poc.definitions import ServedFeatures, ServedView
from poc.errors import LoggingNotConfigured, ValidationNotInstalled
from poc.model.examples import Examples, labelled_examples, time_span
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.infra.offline_stores.file import FileRetrievalJob

DATASET = "training_data"
REFERENCE = "training_reference"
_FILE = "training_data.parquet"
BATCH = 1000
_MICROSECOND = timedelta(microseconds=1)


def save_validation_reference(settings: Settings, store: "FeatureStore") -> int:
    """Save what the model learns from, and a reference made from it.

    Both are kept in Feast's registry: `training_data`, a file in the data folder, and `training_reference`.
    Returns how many expectations that has.

    Raises ValidationNotInstalled without Great Expectations, and what `labelled_examples` does.
    """
    try:
        from feast.dqm.profilers.ge_profiler import ge_profiler
    except ImportError:
        raise ValidationNotInstalled("This environment has no Great Expectations") from None
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    service = store.get_feature_service(settings.feature_service)
    saved = store.create_saved_dataset(
        from_=training_data(labelled_examples(settings)),
        name=DATASET,
        storage=SavedDatasetFileStorage(path=str(settings.data_dir / _FILE)),
        feature_service=service,
        allow_overwrite=True,
    )
    reference = saved.as_reference(REFERENCE, ge_profiler(_profile))
    # Asked for now, it is kept with the reference, and not made again from later definitions.
    expectations = len(reference.profile.expectation_suite.expectations)
    store.apply(reference)
    return expectations


def training_data(examples: Examples) -> "FileRetrievalJob":
    """Return `examples` as Feast's own join would, whose memory is quadratic in the rows of an entity."""
    import dask.dataframe as dd
    from feast.infra.offline_stores.file import FileRetrievalJob
    from feast.infra.offline_stores.offline_store import RetrievalMetadata

    features = [(view, name) for view in examples.served.views for name in view.names]
    # With the view's name before each, as logs have them.
    full_names = {name: f"{_shown(view)}__{name}" for view, name in features}
    rows = examples.rows.drop(columns=LABEL).rename(columns=full_names)
    references = [f"{view.definitions.view}:{name}" for view, name in features]
    keys = list(examples.served.key_names)
    described = RetrievalMetadata(references, keys, *time_span(examples.rows))
    frame = dd.from_pandas(rows, npartitions=1)  # type: ignore[no-untyped-call]
    return FileRetrievalJob(lambda: frame, True, metadata=described)


def _shown(view: ServedView) -> str:
    return view.definitions.view if view.alias is None else view.alias


def expect_declared(dataset: Any, served: ServedFeatures) -> Any:
    """State what each feature is expected to be, as an ExpectationSuite of Great Expectations.

    `dataset` is a PandasDataset of theirs: the training data, a column `<view>__<name>` each.
    """
    from pandas.api.types import is_numeric_dtype

    declared = [(_shown(view), feature) for view in served.views for feature in view.features]
    for shown, feature in declared:
        column = f"{shown}__{feature.name}"
        limits, max_psi = read_limits(feature), read_max_psi(feature)
        dataset.expect_column_values_to_not_be_null(column)
        if limits.values is not None:
            dataset.expect_column_values_to_be_in_set(column, list(limits.values))
        if limits.minimum is not None or limits.maximum is not None:
            dataset.expect_column_values_to_be_between(column, limits.minimum, limits.maximum)
        if max_psi is not None and is_numeric_dtype(dataset[column]):
            mean, spread = float(dataset[column].mean()), sqrt(max_psi) * float(dataset[column].std())
            dataset.expect_column_mean_to_be_between(column, mean - spread, mean + spread)
    return dataset.get_expectation_suite(discard_failed_expectations=False)


def _profile(dataset: Any) -> Any:
    """What Feast keeps is this function's code alone, without the module around it."""
    from poc.quality.feast_validation import expect_declared
    from poc.repository import declared_service
    from poc.settings import load_settings

    return expect_declared(dataset, declared_service(load_settings()))


def log_online_features(
    store: "FeatureStore", service_name: str, entities: Sequence[Mapping[str, Any]]
) -> int:
    """Read the service's features through Feast's public call, and log them; return of how many entities."""
    from feast import feature_logging as logs

    service = store.get_feature_service(service_name)
    if service.logging_config is None:
        raise LoggingNotConfigured(f"Feature service {service_name} has no logging_config")
    schema = logs.FeatureServiceLoggingSource(service, store.project).get_schema(store.registry)
    for start in range(0, len(entities), BATCH):
        batch = list(map(dict, entities[start : start + BATCH]))
        answer = store.get_online_features(service, batch, full_feature_names=True)
        columns: dict[str, list[Any]] = dict(answer.to_dict())
        for name, column in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True):
            times = [moment.ToDatetime(tzinfo=timezone.utc) for moment in column.event_timestamps]
            columns |= {f"{name}__timestamp": times, f"{name}__status": list(column.statuses)}
        now = datetime.now(timezone.utc)
        # Feast takes rows of one moment for one row when it reads the log.
        columns[logs.LOG_TIMESTAMP_FIELD] = [now + number * _MICROSECOND for number in range(len(batch))]
        columns[logs.LOG_DATE_FIELD] = [now.date()] * len(batch)
        columns[logs.REQUEST_ID_FIELD] = [uuid4().hex] * len(batch)
        log = pa.table([pa.array(columns[item.name], item.type) for item in schema], schema=schema)
        store.write_logged_features(log, service)
    return len(entities)
