"""Where Cassandra is to be found: the selected feature_store.yaml, or the environment instead of it."""

from dataclasses import dataclass, field

from poc.definitions import read_repo_yaml, repo_yaml
from poc.errors import InvalidDefinitions
from poc.settings import Settings

CQL_PORT = 9042


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The way into a Cassandra cluster.

    Attributes:
        hosts: contact points, names or addresses.
        port: CQL port of all of them.
        username: for password authentication; None for none.
        password: likewise; never shown.
    """

    hosts: tuple[str, ...]
    port: int = CQL_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return ",".join(f"{host}:{self.port}" for host in self.hosts)


def configured_endpoint(settings: Settings) -> Endpoint:
    """Read the online store's contact points; CASSANDRA_HOSTS and CASSANDRA_PORT go before the yaml.

    Raises:
        NotInProjectFolder: there is no feature_store.yaml.
        InvalidDefinitions: its online store names no hosts and the environment none either.
    """
    online_store = read_repo_yaml(settings).get("online_store")
    stated = online_store if isinstance(online_store, dict) else {}
    hosts = settings.cassandra_hosts
    if hosts is None:
        hosts = tuple(str(host) for host in stated.get("hosts") or ())
    if not hosts:
        raise InvalidDefinitions(repo_yaml(settings), "its online_store names no Cassandra hosts")
    port = settings.cassandra_port
    if port is None:
        port = int(stated.get("port", CQL_PORT))
    return Endpoint(hosts, port, stated.get("username"), stated.get("password"))
