"""An embedded cluster's folder: which nodes it has, at which ports, and what of it runs.

All that is known about a cluster is in its folder, so that any later process can go on with it; nothing
is kept in memory. One directory holds one cluster a size (`1-node/`, `3-nodes/`), since data that is spread
over three nodes is of no use to one; secure ones are apart (`3-nodes-secure/`), so that none loses its lock
by being started without. Their credentials and certificates are beside them.
"""

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil

from poc.local_cassandra.machine import Answer, free_storage_port, probe, require_free
from poc.local_cassandra.node import NodePlace, Ports
from poc.local_cassandra.secure import client_files, read_credentials
from poc.online_store.connection import ConnectionSettings, tls_context

# The Murmur3 partitioner's tokens are the signed 64-bit integers.
FIRST_TOKEN, TOKENS = -(2**63), 2**64


@dataclass(frozen=True, slots=True)
class EmbeddedNode:
    """A node as it is now; `pid` is None if it does not run, and it `answers` where it accepts clients."""

    address: str
    pid: int | None
    answers: bool
    resident_bytes: int


@dataclass(frozen=True, slots=True)
class EmbeddedCassandra:
    """An embedded cluster as it is now: its files, the way in by every node, and all nodes, up or not.

    `started` is how many of them the call that returned this has started.
    """

    folder: Path
    endpoint: ConnectionSettings
    nodes: tuple[EmbeddedNode, ...]
    started: int = 0

    @property
    def port(self) -> int:
        """CQL port of every node."""
        return self.endpoint.port

    @property
    def secure(self) -> bool:
        """Whether clients have to encrypt and to log in."""
        return self.endpoint.tls is not None

    @property
    def is_complete(self) -> bool:
        """Whether every node runs and answers."""
        return all(node.answers and node.pid is not None for node in self.nodes)


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """The folder of a cluster of `count` nodes, in `directory`; clients of a `secure` one log in by TLS."""

    directory: Path
    count: int
    secure: bool = False

    @property
    def path(self) -> Path:
        """The folder itself, absolute."""
        name = f"{self.count}-node{'' if self.count == 1 else 's'}{'-secure' if self.secure else ''}"
        return self.directory.resolve() / name

    @property
    def places(self) -> tuple[NodePlace, ...]:
        """Where its nodes are: at 127.0.0.1 and up, with equal shares of the ring."""
        return tuple(
            NodePlace(self.path / f"node{i + 1}", f"127.0.0.{i + 1}", FIRST_TOKEN + i * TOKENS // self.count)
            for i in range(self.count)
        )

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of its nodes."""
        return tuple(place.address for place in self.places)

    @property
    def tls_folder(self) -> Path | None:
        """Where a secure cluster's certificates are."""
        return self.path.parent / "tls" if self.secure else None

    @property
    def credentials_file(self) -> Path:
        """Where a secure cluster's user and password are."""
        return self.path.parent / "credentials"

    @property
    def ready(self) -> Path:
        """A file that is there once the cluster has come up: from then on its data is worth keeping."""
        return self.path / "ready"

    def endpoint(self, cql_port: int) -> ConnectionSettings:
        """Return the way in, by every node."""
        way_in = ConnectionSettings(self.addresses, cql_port)
        if self.tls_folder is None:
            return way_in
        login = read_credentials(self.credentials_file)
        if login is not None:
            way_in = replace(way_in, username=login.username, password=login.password)
        return replace(way_in, tls=client_files(self.tls_folder))

    def answers(self, address: str, cql_port: int) -> bool:
        """Tell whether a node accepts clients."""
        # Made anew for each: the files may have been renewed.
        context = None if self.tls_folder is None else tls_context(client_files(self.tls_folder))
        return probe(address, cql_port, context=context) is Answer.CQL

    def missing(self) -> tuple[NodePlace, ...]:
        """Return the nodes that have no process."""
        return tuple(place for place in self.places if place.process() is None)

    def ports(self) -> Ports | None:
        """Return the ports of the last start; None if there was none."""
        try:
            return Ports(**json.loads((self.path / "ports.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def prepare(self, cql_port: int) -> Ports:
        """Choose and note the ports for a start of the missing nodes, and clear the way for them.

        Data of a cluster that never once came up is removed: it may be half of what a node needs, and
        nobody can have stored anything in it.

        Raises PortTaken, LoopbackAddressMissing: a missing node could not listen.
        """
        missing = self.missing()
        for place in missing:
            require_free(place.address, cql_port, place.lets_go_within_seconds)
        ports = self.ports()
        if ports is None or len(missing) == self.count:
            ports = Ports(cql_port, self._storage_port(cql_port, ports))
            if not self.ready.exists():
                for place in missing:
                    place.erase_data()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "ports.json").write_text(json.dumps(asdict(ports)))
        return ports

    def state(self, started: int = 0) -> EmbeddedCassandra:
        """Describe the cluster as it is now, asking every node."""
        ports = self.ports()
        if ports is None:
            raise ValueError(f"{self.path} was never started")
        nodes = []
        for place in self.places:
            process, held = place.process(), 0
            with suppress(psutil.Error):
                held = 0 if process is None else process.memory_info().rss
            pid, answers = None if process is None else process.pid, self.answers(place.address, ports.cql)
            nodes.append(EmbeddedNode(place.address, pid, answers, held))
        return EmbeddedCassandra(self.path, self.endpoint(ports.cql), tuple(nodes), started)

    def _storage_port(self, cql_port: int, before: Ports | None) -> int:
        if before is not None and before.storage != cql_port and self.count > 1:
            # The nodes remember each other by it.
            for place in self.missing():
                require_free(place.address, before.storage, place.lets_go_within_seconds)
            return before.storage
        return free_storage_port(self.addresses, cql_port)


def running_cluster(directory: Path) -> ClusterFolder | None:
    """Find the cluster under `directory` of which at least one node runs."""
    for path in sorted(directory.glob("*-node*")):
        named = re.fullmatch(r"(\d+)-nodes?(-secure)?", path.name)
        if named is not None:
            folder = ClusterFolder(directory, int(named[1]), named[2] is not None)
            if folder.ports() is not None and len(folder.missing()) < folder.count:
                return folder
    return None
