"""Features that cannot be read, or not as they should be."""

from collections.abc import Sequence

from poc.errors.base import PocError
from poc.online_store.errors import FeaturesNotApplied, FeaturesOutdated, FeaturesUnavailable


class FeatureServerUnavailable(FeaturesUnavailable):
    """No feature server answers, or not in time."""

    def __init__(self, where: str, reason: str) -> None:
        way_out = "Start it: feast -c feature_repo serve   or set FEATURE_SERVER_URL to where it is."
        super().__init__(f"Cannot reach the feature server at {where}: {reason}", way_out)


class FeatureServerFailed(PocError):
    """The feature server answered, but not with features."""

    def __init__(self, where: str, reason: str) -> None:
        way_out = "Its log says more. FEATURE_SERVER_URL must name a feature server that reaches Cassandra."
        super().__init__(f"The feature server at {where} gave no features: {reason}", way_out)


class FeaturesNotServed(FeaturesNotApplied):
    """The feature server's registry is older than features.py."""

    def __init__(self, where: str, service: str, features: Sequence[str]) -> None:
        what = f"{service} of the feature server at {where} lacks {', '.join(features)}"
        way_out = "Apply the definitions to its registry: python scripts/feast_setup.py"
        PocError.__init__(self, what, way_out)


class UnknownEntity(PocError):
    """The online store is filled, and has nothing for this entity: its keys, as a person reads them."""

    def __init__(self, entity: str) -> None:
        command = "python scripts/feast_materialize.py"
        way_out = f"Ask for one that the Parquet holds, or bring its newest rows online: {command}"
        super().__init__(f"{entity} is unknown", way_out)


class StaleFeatures(PocError):
    """The newest values are older than the view's ttl, and the settings refuse such."""

    def __init__(self, entity: str, age_seconds: float) -> None:
        what = f"The features of {entity} are {age_seconds / 86_400:.1f} days old, older than the view's ttl"
        way_out = "Materialize newer ones: python scripts/feast_materialize.py; or set STALE_FEATURES=serve."
        super().__init__(what, way_out)


class FeaturesMissing(FeaturesOutdated):
    """The model judges by features that were never written for this entity, which is no null."""

    def __init__(self, entity: str, features: Sequence[str]) -> None:
        what = f"Of {entity} nothing was ever stored for {', '.join(features)}"
        way_out = "The features were applied and not materialized: python scripts/feast_materialize.py --full"
        PocError.__init__(self, what, way_out)


class ValueOutOfBounds(PocError):
    """A stored value is none that its feature can have."""

    def __init__(self, entity: str, feature: str, value: object, allowed: str) -> None:
        what = f"Of {entity} the stored {feature} is {value!r}; allowed is {allowed}"
        command = "python scripts/feast_materialize.py --full"
        super().__init__(what, f"Correct the source or the feature's tags, and write it again: {command}")
