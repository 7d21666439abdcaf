"""What can go wrong between Feast and Cassandra, and the way out of each."""

import shlex
from collections.abc import Mapping, Sequence

START_CASSANDRA = "docker-compose up -d cassandra   or, without Docker:   python scripts/start_cassandra.py"


class PocError(Exception):
    """A situation with a way out: what every error of this project is.

    Attributes:
        what: what happened, with the value that caused it.
        way_out: what to do about it, with the command where there is one; a type may have one of its own.
        exit_status: 1 for a state that has to change, 2 for a call that has to change.
    """

    exit_status = 1
    way_out: str

    def __init__(self, what: str, way_out: str | None = None) -> None:
        self.what, self.way_out = what, self.way_out if way_out is None else way_out
        super().__init__(f"{what}\n  {self.way_out}")


class OnlineStoreError(PocError):
    """What Feast's online store in Cassandra refuses, and why."""


class _CallRefused(OnlineStoreError):
    exit_status = 2


class FeaturesUnavailable(PocError):
    """What holds the features does not answer now; it may in a moment."""


class CassandraUnavailable(FeaturesUnavailable):
    """No Cassandra answers, or not in time."""

    way_out = f"Start one: {START_CASSANDRA}"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"Cannot reach Cassandra at {where}: {reason}")


class AnswerTooLate(CassandraUnavailable):
    """A read was given up: Cassandra is slow or silent, or its reader has too much to do."""

    way_out = "If /ready says so as well, look after Cassandra; else there is more to do than time for it."

    def __init__(self, where: str, seconds: float) -> None:
        PocError.__init__(self, f"Cassandra at {where} gave no answer in {seconds:.1f} s")


class CassandraLoginRefused(CassandraUnavailable):
    """A Cassandra wants a user and a password, and these are none, or not the right ones."""

    way_out = (
        "Set CASSANDRA_USERNAME, and CASSANDRA_PASSWORD or CASSANDRA_PASSWORD_FILE; those of a Cassandra"
        " that this project started: set -a; . .cassandra/credentials; set +a"
    )

    def __init__(self, where: str, username: str | None) -> None:
        given = "none was given" if username is None else f"those of user {username!r} are wrong"
        PocError.__init__(self, f"Cassandra at {where} asks for a user and a password, and {given}")


class RoleLacksRight(CassandraUnavailable):
    """Cassandra knows the user, who may not do this."""

    way_out = (
        "Log in as a role that may: python scripts/make_roles.py makes one that reads and one that writes;"
        " keyspaces and roles are made by who may make them, as the user in .cassandra/credentials."
    )

    def __init__(self, where: str, said: str) -> None:
        PocError.__init__(self, f"Cassandra at {where} refuses: {said}")


class CassandraTlsFailed(CassandraUnavailable):
    """The two ends do not agree on encryption."""

    way_out = (
        "Name in online_store.tls the files that belong to this Cassandra; leave tls out if it has none."
    )

    def __init__(self, where: str, reason: str) -> None:
        PocError.__init__(self, f"No encrypted connection to Cassandra at {where}: {reason}")


class DataCentreUnknown(CassandraUnavailable):
    """A data centre that is stated is none of the cluster's."""

    def __init__(self, where: str, stated: str, known: Sequence[str], key: str = "local_dc") -> None:
        PocError.__init__(
            self,
            f"The Cassandra at {where} has no data centre {stated!r}, but {', '.join(known)}",
            f"Correct {key} in online_store, or leave it out: the first contact point's is taken then.",
        )


class ProtocolRefused(CassandraUnavailable):
    """The nodes do not speak the version of CQL's protocol that is stated."""

    way_out = "Correct protocol_version in online_store, or leave it out: the newest that both know is taken."

    def __init__(self, where: str, version: int) -> None:
        PocError.__init__(
            self, f"The Cassandra at {where} does not speak version {version} of CQL's protocol"
        )


class NoCassandra(_CallRefused):
    """The yaml's online store is kept elsewhere, or names no place."""

    way_out = "Give online_store in feature_store.yaml the type cassandra and hosts, or set CASSANDRA_HOSTS."

    def __init__(self, store_type: str) -> None:
        super().__init__(f"The online store ({store_type}) names no Cassandra")


class EnvironmentUnusable(_CallRefused):
    """An environment variable about Cassandra does not fit."""

    way_out = "Correct or unset it in the environment or in .env."


class StoreSettingUnusable(_CallRefused):
    """A key of the yaml's online_store, which Feast takes, has a value that nothing can be done with."""

    way_out = "Correct it in feature_store.yaml, or leave it out."

    def __init__(self, key: str, value: object, reason: str) -> None:
        super().__init__(f"online_store: {key} is {value!r}, {reason}")


class FeastNotSupported(OnlineStoreError):
    """This Feast is none that the resolved call is written for."""

    def __init__(self, found: str, supported: str) -> None:
        super().__init__(
            f"poc.online_store.provider.ResolvingProvider is written for feast {supported}, this is {found}",
            f"pip install feast=={supported}   or set provider: local in feature_store.yaml",
        )


class FeaturesNotApplied(PocError):
    """The registry does not know the feature service, or a view that was asked for."""

    way_out = "Apply the definitions: python scripts/feast_setup.py"

    def __init__(self, name: str, kind: str = "feature service") -> None:
        super().__init__(f"The feature registry has no {kind} {name!r}")


class OnlineTableMissing(FeaturesNotApplied):
    """The registry knows the features, the online store has no table for them."""

    way_out = "Create it: python scripts/feast_setup.py"

    def __init__(self, where: str) -> None:
        PocError.__init__(self, f"The online store has no table {where}")


class FeaturesNotMaterialized(PocError):
    """The online store holds nothing yet."""

    way_out = "Fill it: python scripts/feast_materialize.py"

    def __init__(self, where: str) -> None:
        super().__init__(f"{where} has never been materialized")


class FeaturesOutdated(PocError):
    """What is stored was written for other definitions than the present ones."""

    way_out = "Write it again: python scripts/feast_materialize.py --full"


class TlsFilesUnusable(OnlineStoreError):
    """A PEM file of an encrypted connection is not there, or not what it should be."""

    way_out = (
        "Correct tls: in online_store (paths are relative to the feature repository), or put them there."
    )

    def __init__(self, files: str, reason: str) -> None:
        super().__init__(f"The TLS files of the online store cannot be used: {files}: {reason}")


class CredentialsUnusable(_CallRefused):
    """User and password of Cassandra do not come as a pair."""

    way_out = "Set CASSANDRA_USERNAME, and CASSANDRA_PASSWORD or CASSANDRA_PASSWORD_FILE."

    def __init__(self, reason: str) -> None:
        super().__init__(f"The credentials for Cassandra cannot be used: {reason}")


class ReplicationDiffers(OnlineStoreError):
    """A keyspace is there with other copies than the settings state."""

    way_out = "Nothing was changed. State what is there; or nothing, and the keyspace is used as it is."

    def __init__(self, keyspace: str, found: Mapping[str, str], stated: Mapping[str, object]) -> None:
        super().__init__(
            f"Keyspace {keyspace} has replication {dict(found)}, online_store states {dict(stated)}"
        )


class UnsupportedType(_CallRefused):
    """A field has a Feast type that no column can hold."""

    way_out = "Declare a type of feast.types for it."

    def __init__(
        self, field: str, dtype: object, reason: str = "has no column type", way_out: str | None = None
    ) -> None:
        super().__init__(f"Field {field!r}: {dtype} {reason}", way_out)


def _full_run(view: str) -> str:
    """Name the command for one view: it may be one that the feature service does not take."""
    return f"python scripts/feast_materialize.py --full --view {shlex.quote(view)}"


class TypeChanged(OnlineStoreError):
    """A field was declared with another type than its column has."""

    def __init__(self, view: str, table: str, column: str, stored: str, declared: str) -> None:
        super().__init__(
            f"{table}: column {column!r} is {stored}, but is now declared as {declared}",
            f"Write every value anew: {_full_run(view)}",
        )


class KeyChanged(OnlineStoreError):
    """A view's join keys are not the table's partition key any more."""

    def __init__(self, view: str, table: str, stored: Sequence[str], declared: Sequence[str]) -> None:
        here, wanted = ", ".join(stored), ", ".join(declared)
        super().__init__(
            f"{table}: its key is ({here}), but the view's join keys are ({wanted})",
            f"Write every value anew: {_full_run(view)}",
        )


class RebuildRunning(OnlineStoreError):
    """A full run of the same view is under way."""

    way_out = "Wait until it has ended, and run this again; of a run that died its claim ends after 30 s."

    def __init__(self, view: str, owner: str) -> None:
        super().__init__(f"Feature view {view} is being filled anew by {owner}: nothing was changed")


class RebuildLost(OnlineStoreError):
    """Another run took a full run's claim over, since this one was not heard for too long."""

    way_out = "What is served was not changed. Run it again once the other one has ended."

    def __init__(self, view: str) -> None:
        super().__init__(f"Another run fills feature view {view} by now")


class NoEarlierGeneration(OnlineStoreError):
    """There is nothing to go back to."""

    way_out = "See what there is: python scripts/feast_materialize.py --generations"

    def __init__(self, view: str) -> None:
        super().__init__(f"No generation of feature view {view} is kept from before the one that is served")


class WrongValueType(_CallRefused):
    """A value has another type than its field."""

    way_out = "Correct the value or the declared type."

    def __init__(self, field: str, declared: str, given: str) -> None:
        super().__init__(f"Field {field!r} is declared {declared}, but the value is {given}")


class ValueOutOfRange(_CallRefused):
    """A value that its column cannot hold."""

    way_out = "Correct the value in the source."

    def __init__(self, field: str, value: object, reason: str) -> None:
        super().__init__(f"Field {field!r}: {value!r} {reason}")


class NullJoinKey(OnlineStoreError):
    """A source has a row that belongs to no entity."""

    way_out = "Remove those rows from the source, or fill the key in."

    def __init__(self, column: str, rows: int) -> None:
        super().__init__(f"Join key {column!r} is null in {rows} of the rows to write")


class MissingColumns(OnlineStoreError):
    """A source lacks columns that the view declares."""

    way_out = "Add the column to the source, or remove the field from the view."

    def __init__(self, source: str, missing: Sequence[str], present: Sequence[str]) -> None:
        super().__init__(f"{source} has no column {', '.join(missing)} (it has: {', '.join(present)})")


class SourceChanged(OnlineStoreError):
    """A source was rewritten while it was read."""

    way_out = "Materialize again; replace files as a whole, not in place."

    def __init__(self, source: str) -> None:
        super().__init__(f"{source} changed while it was materialized")


class NotApplied(OnlineStoreError):
    """A view has no table yet."""

    way_out = "Create it: python scripts/feast_setup.py   (or feast -c feature_repo apply)"

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"Cannot use table {table}: {reason}")


class NotAcknowledged(OnlineStoreError):
    """Cassandra did not confirm every row, however often it was asked.

    Attributes:
        worth_repeating: whether what it said may pass: a timeout, an overload, too few replicas.
    """

    way_out = "Nothing was recorded as materialized. Look after Cassandra, then run the same interval again."

    def __init__(self, remaining: int, total: int, reason: Exception, worth_repeating: bool = False) -> None:
        self.worth_repeating = worth_repeating
        why = f"{type(reason).__name__}: {reason}"
        super().__init__(f"{remaining} of {total} rows were not acknowledged: {why}")


class WrittenByAnotherEngine(OnlineStoreError):
    """A stock table holds cells whose write time would beat event times."""

    def __init__(self, view: str, table: str) -> None:
        super().__init__(
            f"{table} holds values written at wall-clock time, by Feast's own engine or by a push: values of "
            "newer events, written at event time, would lose against them",
            f"Empty it and fill it anew: {_full_run(view)} --replace   or set"
            " `write_time: now` in batch_engine.",
        )


class DriverMissing(_CallRefused):
    """A driver was asked for that is not installed."""

    def __init__(self, driver: str, setting: str) -> None:
        super().__init__(
            f"{setting} asks for {driver}, which is not installed",
            f"pip install {driver}   or let {setting} be auto",
        )
