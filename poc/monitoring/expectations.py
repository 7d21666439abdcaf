"""Feast's own validation: what the features are expected to be, in the words of Great Expectations.

Runs in an environment of its own (.validation-venv), and so do the profiles that Feast keeps of it: nothing
else imports this module. The rules are those of the dataset's checks; instead of the population stability
index, which Great Expectations does not know, a number's mean may move so far that two normal
distributions that far apart have an index of `max_psi`: its root, in standard deviations.
"""

from math import sqrt
from typing import TYPE_CHECKING, Any

from poc.dataset.limits import read_limits, read_max_psi
from poc.dataset.stored import labelled_view
from poc.definitions import Feature, ServedFeatures, applied_service
from poc.errors import ValidationNotInstalled
from poc.feature_store import declared_service
from poc.settings import Settings, load_settings

if TYPE_CHECKING:
    import pandas as pd
    from feast import FeatureStore

DATASET = "training_data"
REFERENCE = "training_reference"
_FILE = "training_data.parquet"


def save_validation_reference(settings: Settings, store: "FeatureStore") -> int:
    """Save what the feature service gave for every row of the labelled source, and a reference made from it.

    Both are kept in Feast's registry: `training_data`, a file in the data folder, and `training_reference`.
    Returns how many expectations that has.

    Raises:
        ValidationNotInstalled: this environment has no Great Expectations.
        DatasetNotPrepared, LabelsUnavailable: there is no such source.
        FeaturesNotApplied, InvalidDefinitions: the features cannot be read.
    """
    try:
        from feast.dqm.profilers.ge_profiler import ge_profiler
    except ImportError:
        raise ValidationNotInstalled from None
    from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

    served = applied_service(store, settings.feature_service)
    service = store.get_feature_service(settings.feature_service)
    # With the view's name before each, as logs have them.
    job = store.get_historical_features(entity_rows(served), service, full_feature_names=True)
    saved = store.create_saved_dataset(
        from_=job,
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


def expect_declared(dataset: Any, served: ServedFeatures) -> Any:
    """State what each feature is expected to be, as an ExpectationSuite of Great Expectations.

    `dataset` is a PandasDataset of theirs: the training data, a column `<view>__<name>` each.
    """
    for view in served.views:
        name = view.definitions.view if view.alias is None else view.alias
        for feature in view.features:
            _expect_feature(dataset, f"{name}__{feature.name}", feature)
    return dataset.get_expectation_suite(discard_failed_expectations=False)


def _expect_feature(dataset: Any, column: str, feature: Feature) -> None:
    import pandas as pd

    limits, max_psi = read_limits(feature), read_max_psi(feature)
    dataset.expect_column_values_to_not_be_null(column)
    if limits.values is not None:
        dataset.expect_column_values_to_be_in_set(column, list(limits.values))
    if limits.minimum is not None or limits.maximum is not None:
        dataset.expect_column_values_to_be_between(column, limits.minimum, limits.maximum)
    if max_psi is not None and pd.api.types.is_numeric_dtype(dataset[column]):
        mean, spread = float(dataset[column].mean()), sqrt(max_psi) * float(dataset[column].std())
        dataset.expect_column_mean_to_be_between(column, mean - spread, mean + spread)


def _profile(dataset: Any) -> Any:
    """What Feast keeps is this function's code alone, without the module around it."""
    from poc.monitoring import expectations

    return expectations.expect_declared(dataset, expectations.declared())


def declared() -> ServedFeatures:
    """Read the features that are served, as declared now."""
    return declared_service(load_settings())


def entity_rows(served: ServedFeatures) -> "pd.DataFrame":
    """Read the join keys and the event time of every row of the labelled source, as requests name them."""
    import pandas as pd

    labelled = labelled_view(served)
    definitions = labelled.definitions
    names = {column: name for name, column in served.key_columns(labelled).items()}
    names[definitions.timestamp_column] = "event_timestamp"
    rows: pd.DataFrame = pd.read_parquet(definitions.source_path, columns=list(names)).rename(columns=names)
    return rows
