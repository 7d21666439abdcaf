"""Where Cassandra is to be found, and how its statements are to run: the selected yaml, the environment."""

from dataclasses import dataclass, field
from typing import Any

from poc.definitions import read_repo_yaml, repo_yaml
from poc.errors import InvalidDefinitions
from poc.feature_store import configured_login
from poc.online_store.credentials import Credentials
from poc.online_store.tls import TlsFiles
from poc.settings import Settings

CQL_PORT = 9042
DEFAULT_CONSISTENCY = "LOCAL_ONE"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The way into a Cassandra cluster.

    Attributes:
        hosts: contact points, names or addresses.
        port: CQL port of all of them.
        username: for password authentication; None for none.
        password: likewise; never shown.
        tls: files of an encrypted connection; None for a plain one.
        consistency: how many replicas confirm a statement, by Cassandra's name.
        read_consistency: how many answer a read of features.
        speculative_delay_ms: after which a second node is asked; None for never.
    """

    hosts: tuple[str, ...]
    port: int = CQL_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None
    consistency: str = DEFAULT_CONSISTENCY
    read_consistency: str = DEFAULT_CONSISTENCY
    speculative_delay_ms: int | None = None

    def __str__(self) -> str:
        return ",".join(f"{host}:{self.port}" for host in self.hosts)


def configured_endpoint(settings: Settings) -> Endpoint:
    """Read the online store's block; what the environment says of the place goes before the yaml.

    Raises:
        NotInProjectFolder: there is no feature_store.yaml.
        InvalidDefinitions: its online store names no hosts and the environment none either; its tls block
            has no ca.
        OnlineStoreUnusable: the environment has a user without a password, or the other way round.
    """
    stated = stated_online_store(settings)
    hosts = settings.cassandra_hosts
    if hosts is None:
        hosts = tuple(str(host) for host in stated.get("hosts") or ())
    if not hosts:
        raise InvalidDefinitions(repo_yaml(settings), "its online_store names no Cassandra hosts")
    port = settings.cassandra_port
    if port is None:
        port = int(stated.get("port", CQL_PORT))
    username, password = stated.get("username"), stated.get("password")
    if username is None or password is None:
        login = configured_login(settings)
    else:
        login = Credentials(username, password)
    consistency = stated.get("consistency_level")
    if consistency is None:
        consistency = DEFAULT_CONSISTENCY
    read_consistency = stated.get("read_consistency_level")
    return Endpoint(
        hosts,
        port,
        None if login is None else login.username,
        None if login is None else login.password,
        _tls(settings, stated.get("tls")),
        consistency,
        consistency if read_consistency is None else read_consistency,
        stated.get("speculative_execution_delay_ms"),
    )


def online_store_type(settings: Settings) -> str:
    """Name the type of the online store as the yaml does; Feast's own default where it names none.

    Raises:
        NotInProjectFolder, InvalidDefinitions: there is no feature_store.yaml, or it cannot be read.
    """
    return str(stated_online_store(settings).get("type", "sqlite"))


def names_cassandra(settings: Settings) -> bool:
    """Tell whether the yaml or the environment names hosts of a Cassandra.

    Raises:
        NotInProjectFolder, InvalidDefinitions: there is no feature_store.yaml, or it cannot be read.
    """
    return bool(stated_online_store(settings).get("hosts")) or settings.cassandra_hosts is not None


def stated_online_store(settings: Settings) -> dict[str, Any]:
    """Give what the yaml says under `online_store`; nothing where it says nothing, or names only a type.

    Raises:
        NotInProjectFolder, InvalidDefinitions: there is no feature_store.yaml, or it cannot be read.
    """
    stated = read_repo_yaml(settings).get("online_store")
    return stated if isinstance(stated, dict) else {}


def _tls(settings: Settings, stated: Any) -> TlsFiles | None:
    if stated is None:
        return None
    if not isinstance(stated, dict) or not isinstance(stated.get("ca"), str):
        raise InvalidDefinitions(repo_yaml(settings), "its online_store.tls names no ca")
    check = stated.get("check_hostname", True)
    files = TlsFiles(stated["ca"], stated.get("cert"), stated.get("key"), bool(check))
    return files.relative_to(settings.feast_repo_path.resolve())
