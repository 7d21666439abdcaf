"""Features that cannot be read, or not as they should be."""

from collections.abc import Sequence

from poc.online_store.errors import FeaturesNotApplied, FeaturesOutdated, FeaturesUnavailable, PocError


class FeatureServerUnavailable(FeaturesUnavailable):
    """No feature server answers, or not in time."""

    told = "Cannot reach the feature server at {where}: {reason}"
    way_out = "Start it: feast -c feature_repo serve   or set FEATURE_SERVER_URL to where it is."


class FeatureServerFailed(PocError):
    """The feature server answered, but not with features."""

    told = "The feature server at {where} gave no features: {reason}"
    way_out = "Its log says more. FEATURE_SERVER_URL must name a feature server that reaches Cassandra."


class FeaturesNotServed(FeaturesNotApplied):
    """The feature server's registry is older than features.py."""

    told = "{service} of the feature server at {where} lacks {features}"
    way_out = "Apply the definitions to its registry: python scripts/feast_setup.py"

    def __init__(self, where: str, service: str, features: Sequence[str]) -> None:
        PocError.__init__(self, service, where, features)


class UnknownEntity(PocError):
    """The online store is filled, and has nothing for this entity: its keys, as a person reads them."""

    told = "{entity} is unknown"
    way_out = (
        "Ask for one that the Parquet holds, or bring its newest rows online:"
        " python scripts/feast_materialize.py"
    )


class StaleFeatures(PocError):
    """The newest values are older than the view's ttl, and the settings refuse such."""

    told = "The features of {entity} are {days:.1f} days old, older than the view's ttl"
    way_out = "Materialize newer ones: python scripts/feast_materialize.py; or set STALE_FEATURES=serve."


class FeaturesMissing(FeaturesOutdated):
    """The model judges by features that were never written for this entity, which is no null."""

    told = "Of {entity} nothing was ever stored for {features}"
    way_out = "The features were applied and not materialized: python scripts/feast_materialize.py --full"


class ValueOutOfBounds(PocError):
    """A stored value is none that its feature can have."""

    told = "Of {entity} the stored {feature} is {value!r}; allowed is {allowed}"
    way_out = (
        "Correct the source or the feature's tags, and write it again:"
        " python scripts/feast_materialize.py --full"
    )
