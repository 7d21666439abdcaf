"""What can go wrong between Feast and Cassandra, and the way out of each."""

import re
import shlex
from collections.abc import Sequence
from string import Formatter

_USER_AND_PASSWORD = re.compile(r"(?<=://)[^/\s]+@")


def without_login(text: str) -> str:
    """Return `text` without the users and passwords of its addresses: it may be logged, and answered."""
    return _USER_AND_PASSWORD.sub("", text)


class _Several(tuple[object, ...]):
    """Told with commas between them, or with what the format says; as `:lines` each on a line of its own."""

    def __format__(self, spec: str) -> str:
        if spec == "lines":
            return "".join(f"\n    {item}" for item in self)
        return (spec or ", ").join(map(str, self))


class PocError(Exception):
    """A situation with a way out: what every error of this project is.

    A type says once what happened, `told`, and what to do, `way_out`, with named places for what differs. An
    error is made of what stands in them, in the order in which they are first named; it may be given a way
    out of its own.

    Attributes:
        about: what stands in each place.
        what: what happened, with the value that caused it.
        way_out: what to do about it, with the command where there is one. Neither has the user and password
            of an address.
        exit_status: 1 for a state that has to change, 2 for a call that has to change.
    """

    told = "{what}"
    way_out = "{way_out}"
    exit_status = 1

    def __init__(self, *about: object, way_out: str | None = None) -> None:
        sentences = self.told if way_out is not None else self.told + self.way_out
        places = dict.fromkeys(name.split(".")[0] for _, name, _, _ in Formatter().parse(sentences) if name)
        several = [_Several(item) if isinstance(item, list | tuple) else item for item in about]
        self.about = dict(zip(places, several, strict=True))
        self.what = without_login(self.told.format(**self.about))
        self.way_out = without_login(self.way_out.format(**self.about) if way_out is None else way_out)
        super().__init__(f"{self.what}\n  {self.way_out}")


class CallRefused(PocError):
    """A call, or what it was told, has to change before it can be made."""

    exit_status = 2


class OnlineStoreError(PocError):
    """What Feast's online store in Cassandra refuses, and why."""


class _CallRefused(OnlineStoreError):
    exit_status = 2


class FeaturesUnavailable(PocError):
    """What holds the features does not answer now; it may in a moment."""


class CassandraUnavailable(FeaturesUnavailable):
    """No Cassandra answers, or not in time."""

    told = "Cannot reach Cassandra at {where}: {reason}"
    way_out = (
        "Start one: docker-compose up -d cassandra   or, without Docker:   python scripts/start_cassandra.py"
    )


class HostsUnknown(CassandraUnavailable):
    """No contact point is a name that is known here, or an address."""

    told = "No address is known for Cassandra's hosts: {hosts}"
    way_out = (
        "Name each in hosts of online_store, or in CASSANDRA_HOSTS, without its port, which port states."
    )


class ReplicasMissing(CassandraUnavailable):
    """Nodes answer, but not as many of those that have a row as the consistency level asks for."""

    told = "Cassandra at {where}: {level} asks for {wanted} replicas of a row, and {up} of them are up"
    way_out = (
        "Start the other nodes; or, if there are none, make the keyspace with fewer copies (ALTER KEYSPACE)."
    )


class AnswerTooLate(CassandraUnavailable):
    """A read was given up: Cassandra is slow or silent, or its reader has too much to do."""

    told = "Cassandra at {where} gave no answer in {seconds:.1f} s"
    way_out = "If /ready says so as well, look after Cassandra; else there is more to do than time for it."


class CassandraLoginRefused(CassandraUnavailable):
    """A Cassandra wants a user and a password, and these are none, or not the right ones."""

    told = "Cassandra at {where} asks for a user and a password, and {given}"
    way_out = (
        "Set CASSANDRA_USERNAME, and CASSANDRA_PASSWORD or CASSANDRA_PASSWORD_FILE; those of a Cassandra"
        " that this project started: set -a; . .cassandra/credentials; set +a"
    )

    def __init__(self, where: str, username: str | None) -> None:
        given = "none was given" if username is None else f"those of user {username!r} are wrong"
        super().__init__(where, given)


class RoleLacksRight(CassandraUnavailable):
    """Cassandra knows the user, who may not do this."""

    told = "Cassandra at {where} refuses: {said}"
    way_out = (
        "Log in as a role that may: python scripts/make_roles.py makes one that reads and one that writes;"
        " keyspaces and roles are made by who may make them, as the user in .cassandra/credentials."
    )


# The settings with which statements stay within a guardrail, by its name.
_WITHIN = {
    "read_consistency_levels": "read_consistency_level",
    "write_consistency_levels": "consistency_level",
    "minimum_replication_factor": "replication_factor",
    "maximum_replication_factor": "replication_factor",
    "partition_keys_in_select": "read_keys_per_statement",
    "in_select_cartesian_product": "read_keys_per_statement",
}
# Levels that no setting changes: of a generation's compare-and-set, and of a driver that reads system tables.
_FIXED = (("_consistency_levels", "values [LOCAL_SERIAL]"), ("read_consistency_levels", "values [ONE]"))


class RefusedByGuardrail(CassandraUnavailable):
    """A statement is beyond a limit that whoever operates Cassandra has set."""

    told = "Cassandra refuses: {said}"
    way_out = (
        "Whoever operates it can change that guardrail, in cassandra.yaml or by JMX; superusers are exempt."
    )

    def __init__(self, guardrail: str, said: str) -> None:
        setting = _WITHIN.get(guardrail)
        if any(guardrail.endswith(name) and level in said for name, level in _FIXED):
            setting = None
        stated = f"State another {setting} in online_store (type: cassandra takes none, the row store does). "
        super().__init__(said, way_out=self.way_out if setting is None else stated + self.way_out)


class CassandraTlsFailed(CassandraUnavailable):
    """The two ends do not agree on encryption."""

    told = "No encrypted connection to Cassandra at {where}: {reason}"
    way_out = (
        "Name in online_store.tls the files that belong to this Cassandra; leave tls out if it has none."
    )


class DataCentreUnknown(CassandraUnavailable):
    """A data centre that is stated is none of the cluster's."""

    told = "The Cassandra at {where} has no data centre {stated!r}, but {known}"
    way_out = "Correct {key} in online_store, or leave it out: the first contact point's is taken then."


class ProtocolRefused(CassandraUnavailable):
    """The nodes do not speak the version of CQL's protocol that is stated."""

    told = "The Cassandra at {where} does not speak version {version} of CQL's protocol"
    way_out = "Correct protocol_version in online_store, or leave it out: the newest that both know is taken."


class NoCassandra(_CallRefused):
    """The yaml's online store is kept elsewhere, or names no place."""

    told = "The online store ({type}) names no Cassandra"
    way_out = "Give online_store in feature_store.yaml the type cassandra and hosts, or set CASSANDRA_HOSTS."


class EnvironmentUnusable(_CallRefused):
    """An environment variable about Cassandra does not fit."""

    way_out = "Correct or unset it in the environment or in .env."


class StoreSettingUnusable(_CallRefused):
    """A key of the yaml's online_store, which Feast takes, has a value that nothing can be done with."""

    told = "online_store: {key} is {value!r}, {reason}"
    way_out = "Correct it in feature_store.yaml, or leave it out."


class FeastNotSupported(OnlineStoreError):
    """This Feast is none that the resolved call is written for."""

    told = "poc.online_store.provider.ResolvingProvider is written for feast {supported}, this is {found}"
    way_out = "pip install feast=={supported}   or set provider: local in feature_store.yaml"


class FeaturesNotApplied(PocError):
    """The registry does not know the feature service, or a view that was asked for."""

    told = "The feature registry has no {kind} {name!r}{others}"
    way_out = "Apply the definitions: python scripts/feast_setup.py"

    def __init__(self, name: str, kind: str = "feature service", known: Sequence[str] = ()) -> None:
        super().__init__(kind, name, f" (it has: {', '.join(known)})" if known else "")


class OnlineTableMissing(FeaturesNotApplied):
    """The registry knows the features, the online store has no table for them."""

    told = "The online store has no table {where}"
    way_out = "Create it: python scripts/feast_setup.py"

    def __init__(self, where: str) -> None:
        PocError.__init__(self, where)


class FeaturesNotMaterialized(PocError):
    """The online store holds nothing yet."""

    told = "{what} has never been materialized"
    way_out = "Fill it: python scripts/feast_materialize.py"


class FeaturesOutdated(PocError):
    """What is stored was written for other definitions than the present ones."""

    way_out = "Write it again: python scripts/feast_materialize.py --full"


class TlsFilesUnusable(OnlineStoreError):
    """A PEM file of an encrypted connection is not there, or not what it should be."""

    told = "The TLS files of the online store cannot be used: {file}: {reason}"
    way_out = (
        "Correct tls: in online_store (paths are relative to the feature repository), or put them there."
    )


class CredentialsUnusable(_CallRefused):
    """User and password of Cassandra do not come as a pair."""

    told = "The credentials for Cassandra cannot be used: {reason}"
    way_out = "Set CASSANDRA_USERNAME, and CASSANDRA_PASSWORD or CASSANDRA_PASSWORD_FILE."


class ReplicationDiffers(OnlineStoreError):
    """A keyspace is there with other copies than the settings state."""

    told = "Keyspace {keyspace} has replication {found}, online_store states {stated}"
    way_out = "Nothing was changed. State what is there; or nothing, and the keyspace is used as it is."


class UnsupportedType(_CallRefused):
    """A field has a Feast type that no column can hold."""

    told = "Field {field!r}: {type} {reason}"
    way_out = "Declare a type of feast.types for it."


class _WrittenOtherwise(OnlineStoreError):
    """A table was written for something else than now: the way out writes its `view` anew."""

    way_out = "Write every value anew: {full_run}"

    def __init__(self, view: str, *about: object) -> None:
        # It may be one that the feature service does not take.
        super().__init__(*about, f"python scripts/feast_materialize.py --full --view {shlex.quote(view)}")


class TypeChanged(_WrittenOtherwise):
    """A field was declared with another type than its column has."""

    told = "{table}: column {column!r} is {stored}, but is now declared as {declared}"


class KeyChanged(_WrittenOtherwise):
    """A view's join keys are not the table's partition key any more."""

    told = "{table}: its key is ({stored}), but the view's join keys are ({declared})"


class RebuildRunning(OnlineStoreError):
    """A full run of the same view is under way."""

    told = "Feature view {view} is being filled anew by {owner}: nothing was changed"
    way_out = "Wait until it has ended, and run this again; of a run that died its claim ends after 30 s."


class RebuildLost(OnlineStoreError):
    """Another run took a full run's claim over, since this one was not heard for too long."""

    told = "Another run fills feature view {view} by now"
    way_out = "What is served was not changed. Run it again once the other one has ended."


class NoEarlierGeneration(OnlineStoreError):
    """There is nothing to go back to."""

    told = "No generation of feature view {view} is kept from before the one that is served"
    way_out = "See what there is: python scripts/feast_materialize.py --generations"


class WrongValueType(_CallRefused):
    """A value has another type than its field."""

    told = "Field {field!r} is declared {type}, but the value is {value}"
    way_out = "Correct the value or the declared type."


class ValueOutOfRange(_CallRefused):
    """A value that its column cannot hold."""

    told = "Field {field!r}: {value!r} {reason}"
    way_out = "Correct the value in the source."


class NullJoinKey(OnlineStoreError):
    """A source has a row that belongs to no entity."""

    told = "Join key {key!r} is null in {count} of the rows to write"
    way_out = "Remove those rows from the source, or fill the key in."


class MissingColumns(OnlineStoreError):
    """A source lacks columns that the view declares."""

    told = "{source} has no column {missing} (it has: {present})"
    way_out = "Add the column to the source, or remove the field from the view."


class SourceChanged(OnlineStoreError):
    """A source was rewritten while it was read."""

    told = "{source} changed while it was materialized"
    way_out = "Materialize again; replace files as a whole, not in place."


class NotApplied(OnlineStoreError):
    """A view has no table yet."""

    told = "Cannot use table {table}: {reason}"
    way_out = "Create it: python scripts/feast_setup.py   (or feast -c feature_repo apply)"


class NotAcknowledged(OnlineStoreError):
    """Cassandra did not confirm every row, however often it was asked.

    Attributes:
        worth_repeating: whether what it said may pass: a timeout, an overload, too few replicas.
    """

    told = "{remaining} of {total} rows were not acknowledged: {reason}"
    way_out = "Nothing was recorded as materialized. Look after Cassandra, then run the same interval again."
    refused = "Nothing was recorded as materialized. Correct what is refused, then run the interval again."

    def __init__(self, remaining: int, total: int, reason: Exception, worth_repeating: bool) -> None:
        self.worth_repeating = worth_repeating
        way_out = None if worth_repeating else self.refused
        super().__init__(remaining, total, f"{type(reason).__name__}: {reason}", way_out=way_out)


class WrittenByAnotherEngine(_WrittenOtherwise):
    """A stock table holds cells whose write time would beat event times."""

    told = (
        "{table} holds values written at wall-clock time, by Feast's own engine or by a push: values of newer"
        " events, written at event time, would lose against them"
    )
    way_out = "Empty it and fill it anew: {full_run} --replace   or set `write_time: now` in batch_engine."


class DriverMissing(_CallRefused):
    """A driver was asked for that is not installed."""

    told = "{setting} asks for {driver}, which is not installed"
    way_out = "pip install {driver}   or let {setting} be auto"
