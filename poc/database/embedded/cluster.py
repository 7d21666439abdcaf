"""An embedded cluster's folder: which nodes it has, at which ports, and what of it runs.

All that is known about a cluster is in its folder, so that any later process can go on with it; nothing
is kept in memory. One directory holds one cluster a size (`1-node/`, `3-nodes/`), since data that is spread
over three nodes is of no use to one; secure ones are apart (`3-nodes-secure/`), so that none loses its lock
by being started without. Their credentials and certificates are beside them.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from poc.database.certificates import client_files
from poc.database.embedded.conditions import free_storage_port, require_free
from poc.database.embedded.login import read_credentials
from poc.database.embedded.node import NodePlace, Ports, node_places
from poc.database.probe import Answer, probe
from poc.online_store.connection import ConnectionSettings, Credentials
from poc.online_store.tls import TlsFiles, tls_context


@dataclass(frozen=True, slots=True)
class EmbeddedNode:
    """A node as it is now.

    Attributes:
        address: its loopback address.
        pid: of its process; None if it does not run.
        answers: whether it accepts clients.
        resident_bytes: memory that its process holds.
        folder: its files.
    """

    address: str
    pid: int | None
    answers: bool
    resident_bytes: int
    folder: Path


@dataclass(frozen=True, slots=True)
class EmbeddedCassandra:
    """An embedded cluster as it is now.

    Attributes:
        folder: its files.
        port: CQL port of every node.
        nodes: all of them, also those that do not run.
        tls: the files of a secure cluster's clients; None for one that is open.
        login: the user of a secure cluster.
        started: how many nodes the call that returned this has started; 0 if they all ran before.
    """

    folder: Path
    port: int
    nodes: tuple[EmbeddedNode, ...]
    tls: TlsFiles | None = None
    login: Credentials | None = None
    started: int = 0

    @property
    def endpoint(self) -> ConnectionSettings:
        """The way in, by every node."""
        return _endpoint(tuple(node.address for node in self.nodes), self.port, self.tls, self.login)

    @property
    def secure(self) -> bool:
        """Whether clients have to encrypt and to log in."""
        return self.tls is not None

    @property
    def is_complete(self) -> bool:
        """Whether every node runs and answers."""
        return all(node.answers and node.pid is not None for node in self.nodes)


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """The folder of a cluster of a fixed size.

    Attributes:
        path: the folder, absolute.
        count: how many nodes it has.
        secure: whether clients have to encrypt and to log in.
    """

    path: Path
    count: int
    secure: bool = False

    @property
    def places(self) -> tuple[NodePlace, ...]:
        """Where its nodes are."""
        return node_places(self.path, self.count)

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
    def is_ready(self) -> bool:
        """Whether the cluster has ever come up."""
        return self._ready.exists()

    def endpoint(self, cql_port: int) -> ConnectionSettings:
        """Name the way in, by every node."""
        tls = None if self.tls_folder is None else client_files(self.tls_folder)
        login = read_credentials(self.credentials_file) if self.secure else None
        return _endpoint(self.addresses, cql_port, tls, login)

    def answers(self, address: str, cql_port: int) -> bool:
        """Tell whether a node accepts clients."""
        # Made anew for each: the files may have been renewed.
        context = None if self.tls_folder is None else tls_context(client_files(self.tls_folder))
        return probe(address, cql_port, context=context) is Answer.CQL

    def missing(self) -> tuple[NodePlace, ...]:
        """Tell which nodes have no process."""
        return tuple(place for place in self.places if place.pid() is None)

    def ports(self) -> Ports | None:
        """Tell the ports of the last start; None if there was none."""
        try:
            return Ports(**json.loads((self.path / "ports.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def prepare(self, cql_port: int) -> Ports:
        """Choose and note the ports for a start of the missing nodes, and clear the way for them.

        Data of a cluster that never once came up is removed: it may be half of what a node needs, and
        nobody can have stored anything in it.

        Raises:
            PortTaken, LoopbackAddressMissing: a missing node could not listen.
        """
        missing = self.missing()
        for place in missing:
            require_free(place.address, cql_port)
        ports = self.ports()
        if ports is None or len(missing) == self.count:
            ports = Ports(cql_port, self._storage_port(cql_port, ports))
            if not self._ready.exists():
                for place in missing:
                    place.erase_data()
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "ports.json").write_text(json.dumps(asdict(ports)))
        return ports

    def mark_ready(self) -> None:
        """Note that the cluster has come up: from now on its data is worth keeping."""
        self._ready.touch()

    def state(self, started: int = 0) -> EmbeddedCassandra:
        """Describe the cluster as it is now, asking every node."""
        ports = self.ports()
        if ports is None:
            raise ValueError(f"{self.path} was never started")
        return EmbeddedCassandra(
            self.path,
            ports.cql,
            tuple(
                EmbeddedNode(
                    place.address,
                    place.pid(),
                    self.answers(place.address, ports.cql),
                    place.resident_bytes(),
                    place.folder,
                )
                for place in self.places
            ),
            None if self.tls_folder is None else client_files(self.tls_folder),
            read_credentials(self.credentials_file) if self.secure else None,
            started,
        )

    def _storage_port(self, cql_port: int, before: Ports | None) -> int:
        if before is not None and before.storage != cql_port and self.count > 1:
            # The nodes remember each other by it.
            for address in self.addresses:
                require_free(address, before.storage)
            return before.storage
        return free_storage_port(self.addresses, cql_port)

    @property
    def _ready(self) -> Path:
        return self.path / "ready"


def cluster_folder(directory: Path, count: int, secure: bool = False) -> ClusterFolder:
    """Name the folder of the cluster of `count` nodes under `directory`."""
    name = f"{count}-node" if count == 1 else f"{count}-nodes"
    return ClusterFolder(directory.resolve() / (f"{name}-secure" if secure else name), count, secure)


def running_cluster(directory: Path) -> ClusterFolder | None:
    """Find the cluster under `directory` of which at least one node runs."""
    for path in sorted(directory.resolve().glob("*-node*")):
        named = re.fullmatch(r"(\d+)-nodes?(-secure)?", path.name)
        if named is not None:
            folder = ClusterFolder(path, int(named.group(1)), named.group(2) is not None)
            if folder.ports() is not None and len(folder.missing()) < folder.count:
                return folder
    return None


def _endpoint(
    addresses: tuple[str, ...], port: int, tls: TlsFiles | None, login: Credentials | None
) -> ConnectionSettings:
    if login is None:
        return ConnectionSettings(addresses, port, tls=tls)
    return ConnectionSettings(addresses, port, username=login.username, password=login.password, tls=tls)
