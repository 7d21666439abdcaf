"""Features that cannot be read, or not as they should be."""

from collections.abc import Sequence

from poc.errors.base import PocError

START_CASSANDRA = "docker-compose up -d cassandra   or, without Docker:   python scripts/start_cassandra.py"


class FeaturesUnavailable(PocError):
    """What holds the features does not answer now; it may in a moment."""


class CassandraUnavailable(FeaturesUnavailable):
    """No Cassandra answers, or not in time."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"Cannot reach Cassandra at {where}: {reason}", f"Start one: {START_CASSANDRA}")


class FeatureServerUnavailable(FeaturesUnavailable):
    """No feature server answers, or not in time."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"Cannot reach the feature server at {where}: {reason}",
            "Start it: feast -c feature_repo serve   or set FEATURE_SERVER_URL to where it is.",
        )


class FeatureServerFailed(PocError):
    """The feature server answered, but not with features."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"The feature server at {where} gave no features: {reason}",
            "Its log says more. FEATURE_SERVER_URL must name a feature server that reaches Cassandra.",
        )


class CassandraLoginRefused(CassandraUnavailable):
    """A Cassandra wants a user and a password, and these are none, or not the right ones."""

    def __init__(self, where: str, username: str | None) -> None:
        given = "none was given" if username is None else f"those of user {username!r} are wrong"
        PocError.__init__(
            self,
            f"Cassandra at {where} asks for a user and a password, and {given}",
            "Set CASSANDRA_USERNAME, and CASSANDRA_PASSWORD or CASSANDRA_PASSWORD_FILE; those of a Cassandra"
            " that this project started: set -a; . .cassandra/credentials; set +a",
        )


class CassandraTlsFailed(CassandraUnavailable):
    """The two ends do not agree on encryption."""

    def __init__(self, where: str, reason: str) -> None:
        PocError.__init__(
            self,
            f"No encrypted connection to Cassandra at {where}: {reason}",
            "Name in online_store.tls the files that belong to this Cassandra; leave tls out if it has none.",
        )


class FeaturesNotApplied(PocError):
    """The registry does not know the feature service."""

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The feature registry has no feature service {service!r}",
            "Apply the definitions: python scripts/feast_setup.py",
        )


class FeaturesNotMaterialized(PocError):
    """The online store holds nothing yet."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} has never been materialized",
            "Fill it: python scripts/feast_materialize.py",
        )


class OnlineTableMissing(FeaturesNotApplied):
    """The registry knows the features, the online store has no table for them."""

    def __init__(self, where: str) -> None:
        PocError.__init__(
            self, f"The online store has no table {where}", "Create it: python scripts/feast_setup.py"
        )


class FeaturesNotServed(FeaturesNotApplied):
    """The feature server's registry is older than features.py."""

    def __init__(self, where: str, service: str, features: Sequence[str]) -> None:
        PocError.__init__(
            self,
            f"{service} of the feature server at {where} lacks {', '.join(features)}",
            "Apply the definitions to its registry: python scripts/feast_setup.py",
        )


class FeaturesOutdated(PocError):
    """What is stored was written for other definitions than the present ones."""

    def __init__(self, what: str) -> None:
        super().__init__(what, "Write it again: python scripts/feast_materialize.py --full")


class UnknownTransaction(PocError):
    """The online store is filled, and has nothing for this transaction."""

    def __init__(self, transaction_id: str) -> None:
        super().__init__(
            f"Transaction {transaction_id!r} is unknown",
            "Ask for one that the Parquet holds, or bring its newest rows online: "
            "python scripts/feast_materialize.py",
        )


class StaleFeatures(PocError):
    """The newest values are older than the view's ttl, and the settings refuse such."""

    def __init__(self, transaction_id: str, age_seconds: float) -> None:
        super().__init__(
            f"The features of transaction {transaction_id!r} are {age_seconds / 86_400:.1f} days old, "
            "older than the view's ttl",
            "Materialize newer ones: python scripts/feast_materialize.py; or set STALE_FEATURES=serve.",
        )
