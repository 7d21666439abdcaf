"""Which Cassandra: the one that answers, else Docker's, else an embedded one.

The only place that decides. The guide's scripts start no database by themselves; `start_cassandra.py`
calls this.
"""

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from rich.console import Console

from poc.command_line import note
from poc.errors import (
    CassandraElsewhere,
    NotInDocker,
    NotStartedHere,
    OtherClusterRunning,
    PocError,
    PortTaken,
)
from poc.feature_store import cassandra_connection
from poc.local_cassandra.cluster import ClusterFolder, EmbeddedCassandra
from poc.local_cassandra.docker import container_runs, engine_answers, start_container, stop_container
from poc.local_cassandra.embedded import embedded_state, start_embedded, stop_embedded
from poc.local_cassandra.machine import Answer, probe
from poc.local_cassandra.secure import ensure_certificates
from poc.online_store.connection import DEFAULT_PORT, ConnectionSettings, tls_context
from poc.settings import Settings

Mode = Literal["auto", "docker", "embedded"]
Kind = Literal["embedded", "docker", "other"]
# What loading the configuration can end in: it names no Cassandra, Feast refuses it or cannot be imported.
UNKNOWN_PLACE = (PocError, ImportError)


@dataclass(frozen=True, slots=True)
class RunningCassandra:
    """The Cassandra that answers at the configured place.

    Attributes:
        kind: ours (`embedded`, `docker`) or anybody's (`other`).
        started: whether the call that returned this started it, or a node of it.
        embedded: its nodes; None for the other kinds.
    """

    endpoint: ConnectionSettings
    kind: Kind
    started: bool = False
    embedded: EmbeddedCassandra | None = None

    @property
    def way_in(self) -> ConnectionSettings:
        """What to connect to: of one of ours every node, with the user and certificates it was given."""
        return self.endpoint if self.embedded is None else self.embedded.endpoint

    def __str__(self) -> str:
        if self.embedded is None:
            how = {"docker": "in Docker", "other": "not started by this project"}[self.kind]
            return f"{self.endpoint}, {how}"
        nodes = self.embedded.nodes
        up = sum(node.answers for node in nodes)
        memory_mb = sum(node.resident_bytes for node in nodes) // 10**6
        how = "embedded, secure" if self.embedded.secure else "embedded"
        return f"{self.embedded.endpoint}, {how}, {up} of {len(nodes)} node(s) up, {memory_mb} MB of memory"


def ensure_cassandra(
    settings: Settings,
    mode: Mode = "auto",
    nodes: int | None = None,
    console: Console | None = None,
    secure: bool = False,
) -> RunningCassandra:
    """Return the Cassandra at the configured place, starting one if none answers.

    In mode `auto`: one that answers, else Docker's if an engine answers, else an embedded one. Without
    `nodes`, a running one may have any number; a new one gets as many as the configuration lists hosts of
    127.0.0.1, 127.0.0.2, ..., which is usually one. A new one is `secure` (TLS, certificates, a password) if
    that is asked for, or if the configuration has a tls block.

    Raises:
        CassandraElsewhere: none answers, and none that is started would at the configured hosts.
        PortTaken: something else listens there.
        OtherClusterRunning, NotStartedHere: one answers, with another number of nodes or not secure.
        NotInDocker: mode `docker` with several nodes, or a secure one.
        PocError: what `cassandra_connection`, `start_container` and `start_embedded` raise.
    """
    endpoint = _configured(settings)
    if mode == "docker" and nodes is not None and nodes > 1:
        raise NotInDocker(f"Docker runs one Cassandra node here, not {nodes}", f"--nodes {nodes}")
    secure = secure or endpoint.tls is not None
    if secure and mode == "docker":
        raise NotInDocker("Docker runs a Cassandra without TLS and password here", "--secure")
    if secure:
        # The configuration names files that the first start makes.
        ensure_certificates(settings.cassandra_dir / "tls")
    if mode == "auto":
        running = _running_at(settings, endpoint)
        if running is not None and _is_enough(running, nodes, secure):
            return running
    if not all(map(_is_loopback, endpoint.hosts)):
        # Nothing is started here that every script would look for elsewhere.
        raise CassandraElsewhere(f"No Cassandra answers at {endpoint}, and that is not this machine")
    ours = _embedded_at(settings, endpoint)
    if nodes is None:
        nodes = _listed_nodes(endpoint) if ours is None else len(ours.nodes)
    if not {"localhost", *ClusterFolder(settings.cassandra_dir, nodes).addresses} & {*endpoint.hosts}:
        raise CassandraElsewhere(
            f"No Cassandra answers at {endpoint}, and one of this project would not either"
        )
    secure = secure or (ours is not None and ours.secure)
    by_docker = mode == "auto" and ours is None and nodes == 1 and not secure
    if mode == "docker" or (by_docker and engine_answers()):
        start_container(endpoint.port)
        return RunningCassandra(endpoint, "docker", started=True)
    embedded = start_embedded(settings.cassandra_dir, endpoint.port, nodes, secure=secure, console=console)
    return RunningCassandra(endpoint, "embedded", embedded.started > 0, embedded)


def running_cassandra(settings: Settings) -> RunningCassandra | None:
    """Return the Cassandra that answers at the configured place; None if none does.

    Where the configuration names no place, or cannot be loaded, it is the embedded one, if that runs.

    Raises:
        PortTaken: something else listens there.
        PocError: what `cassandra_connection` raises, where no embedded one runs.
    """
    try:
        endpoint = _configured(settings)
    except UNKNOWN_PLACE:
        embedded = embedded_state(settings.cassandra_dir)
        if embedded is None:
            raise
        return RunningCassandra(embedded.endpoint, "embedded", False, embedded)
    return _running_at(settings, endpoint)


def stop_cassandra(settings: Settings) -> Kind | None:
    """Stop the Cassandra that this project started; return of which kind it was, None if there is none."""
    if stop_embedded(settings.cassandra_dir) > 0:
        return "embedded"
    if not container_runs():
        return None
    port = DEFAULT_PORT
    with suppress(*UNKNOWN_PLACE):
        port = _configured(settings).port
    stop_container(port)
    return "docker"


def _configured(settings: Settings) -> ConnectionSettings:
    note("Loading Feast ...")
    return cassandra_connection(settings)


def _running_at(settings: Settings, endpoint: ConnectionSettings) -> RunningCassandra | None:
    if endpoint.secure_bundle_path is not None:
        # Where Astra's nodes are, the bundle tells the driver only.
        return RunningCassandra(endpoint, "other")
    embedded = _embedded_at(settings, endpoint)
    if embedded is not None and any(node.answers for node in embedded.nodes):
        return RunningCassandra(endpoint, "embedded", False, embedded)
    context = None if endpoint.tls is None else tls_context(endpoint.tls)
    answers = {host: probe(host, endpoint.port, context=context) for host in endpoint.hosts}
    if Answer.CQL in answers.values():
        return RunningCassandra(endpoint, "docker" if container_runs() else "other")
    for host, answer in answers.items():
        if answer is Answer.OTHER and _is_loopback(host):
            raise PortTaken(f"{host}:{endpoint.port}", answer.value)
    return None


def _is_enough(running: RunningCassandra, nodes: int | None, secure: bool) -> bool:
    """Tell whether what runs is all that is asked for; False if nodes of it are to be started."""
    if running.embedded is None:
        if (nodes is not None and nodes > 1) or (secure and running.endpoint.tls is None):
            raise NotStartedHere(str(running.endpoint))
        return True
    count = len(running.embedded.nodes)
    if (nodes is not None and nodes != count) or (secure and not running.embedded.secure):
        raise OtherClusterRunning(count, running.embedded.port, running.embedded.secure)
    return running.embedded.is_complete


def _embedded_at(settings: Settings, endpoint: ConnectionSettings) -> EmbeddedCassandra | None:
    """Return our embedded cluster if it is the one at `endpoint`."""
    embedded = embedded_state(settings.cassandra_dir)
    if embedded is None or embedded.port != endpoint.port or not all(map(_is_loopback, endpoint.hosts)):
        return None
    return embedded


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listed_nodes(endpoint: ConnectionSettings) -> int:
    """Count the nodes that the configuration lists as an embedded cluster has them; 1 for any other list."""
    count = len(endpoint.hosts)
    return count if set(endpoint.hosts) == {f"127.0.0.{i + 1}" for i in range(count)} else 1
