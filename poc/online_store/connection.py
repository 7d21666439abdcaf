"""What it takes to reach a Cassandra: Feast's loaded `online_store` block, and the environment.

Both stores' settings are read here, and nowhere else. Imports neither Feast nor a driver: a script can ask
whether a Cassandra answers in milliseconds.
"""

import functools
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from poc.online_store import errors

if TYPE_CHECKING:
    from feast import RepoConfig

Driver = Literal["auto", "acsylla", "cassandra-driver"]

DEFAULT_PORT = 9042
HOSTS_VARIABLE = "CASSANDRA_HOSTS"
PORT_VARIABLE = "CASSANDRA_PORT"
# For a login from the environment: never from a yaml that is committed.
USERNAME_VARIABLE = "CASSANDRA_USERNAME"
PASSWORD_VARIABLE = "CASSANDRA_PASSWORD"
PASSWORD_FILE_VARIABLE = "CASSANDRA_PASSWORD_FILE"
DEFAULT_TIMEOUT_SECONDS = 10.0
# Feast's names of how nodes are chosen: it refuses others. Here a statement goes to a replica with either.
POLICIES = ("DCAwareRoundRobinPolicy", "TokenAwarePolicy(DCAwareRoundRobinPolicy)")
# What a block calls as it is called here.
_SAME_NAME = (
    *("keyspace", "protocol_version", "compression", "replication_factor", "replication"),
    *("read_concurrency", "write_concurrency"),
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, and the password, which is never shown."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of an encrypted connection; `config.Tls` says what they are."""

    ca: str
    cert: str | None = None
    key: str | None = None
    check_hostname: bool = True

    def texts(self) -> tuple[str, str | None, str | None]:
        """Read `ca`, `cert` and `key`; TlsFilesUnusable where one is not there, or may not be read."""
        cert, key = (None if name is None else _text(name) for name in (self.cert, self.key))
        return _text(self.ca), cert, key


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The way into a cluster, and how its statements are to run: the settings of docs/online_store.md.

    Without hosts there is a secure bundle. None is not stated.
    """

    hosts: tuple[str, ...]
    port: int = DEFAULT_PORT
    keyspace: str = "feast_keyspace"
    secure_bundle_path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None
    protocol_version: int | None = None
    read_consistency: str = "LOCAL_ONE"
    write_consistency: str = "LOCAL_ONE"
    request_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    connect_timeout_seconds: float = 5.0
    speculative_delay_ms: int | None = None
    compression: bool = False
    local_dc: str | None = None
    replication_factor: int | None = None
    replication: Mapping[str, int] | None = field(default=None, hash=False)
    read_concurrency: int = 100
    write_concurrency: int = 100

    def __str__(self) -> str:
        if self.secure_bundle_path is not None:
            return self.secure_bundle_path
        return ",".join(f"{host}:{self.port}" for host in self.hosts)


def connection_settings(
    config: "RepoConfig", environment: Mapping[str, str] = os.environ
) -> ConnectionSettings:
    """Read the online store's block of `config`, whichever of the two Cassandra stores it names.

    Hosts and port of `environment` go before it; a login comes from there where it names none.

    Raises:
        NoCassandra: the online store names no hosts and no bundle.
        CredentialsUnusable: the environment has a user without a password, or the other way round.
        StoreSettingUnusable: a number of statements in flight is none, or Feast knows no such policy.
    """
    stated = functools.partial(_stated, config.online_store)
    hosts = _hosts(environment.get(HOSTS_VARIABLE)) or _hosts(stated("hosts"))
    bundle = None if environment.get(HOSTS_VARIABLE) else stated("secure_bundle_path")
    if not hosts and bundle is None:
        raise errors.NoCassandra(stated("type"))
    username, password = stated("username"), stated("password")
    if username is None or password is None:
        names = (USERNAME_VARIABLE, PASSWORD_VARIABLE, PASSWORD_FILE_VARIABLE)
        login = given_credentials(*(environment.get(name) or None for name in names))
        username, password = (None, None) if login is None else (login.username, login.password)
    consistency = stated("consistency_level", "LOCAL_ONE")
    same = {name: value for name in _SAME_NAME if (value := stated(name)) is not None}
    _require_usable(same, stated("load_balancing"))
    return ConnectionSettings(
        hosts=hosts if bundle is None else (),
        port=_port(environment.get(PORT_VARIABLE)) or stated("port", DEFAULT_PORT),
        secure_bundle_path=bundle,
        username=username,
        password=password,
        tls=_tls(stated("tls"), config.repo_path),
        read_consistency=stated("read_consistency_level", consistency),
        write_consistency=consistency,
        request_timeout_seconds=float(stated("request_timeout", DEFAULT_TIMEOUT_SECONDS)),
        connect_timeout_seconds=float(stated("connect_timeout", 5.0)),
        speculative_delay_ms=stated("speculative_execution_delay_ms"),
        local_dc=stated("local_dc", _local_dc(stated("load_balancing"))),
        **same,
    )


def given_credentials(
    username: str | None, password: str | None, password_file: str | Path | None
) -> Credentials | None:
    """Put together what was given; None where nothing was.

    The file holds the password and nothing else, as a mounted secret does; a line's end is no part of it.

    Raises CredentialsUnusable: only half of it was given, or the password twice, or the file cannot be read.
    """
    if password is not None and password_file is not None:
        raise errors.CredentialsUnusable(f"{PASSWORD_VARIABLE} and {PASSWORD_FILE_VARIABLE} are both set")
    if password_file is not None:
        try:
            password = Path(password_file).read_text().rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not text"
            raise errors.CredentialsUnusable(f"{PASSWORD_FILE_VARIABLE}={password_file}: {reason}") from None
    if username is None and password is None:
        return None
    if username is None:
        raise errors.CredentialsUnusable(f"there is a password, but no {USERNAME_VARIABLE}")
    if password is None:
        raise errors.CredentialsUnusable(
            f"{USERNAME_VARIABLE} is set, but neither {PASSWORD_VARIABLE} nor {PASSWORD_FILE_VARIABLE}"
        )
    return Credentials(username, password)


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Build the context that verifies nodes against `files.ca` and shows our certificate if there is one.

    Raises TlsFilesUnusable: a file is not there, may not be read, or is not what it should be.
    """
    files.texts()
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.ca)
        context.check_hostname = files.check_hostname
        if files.cert is not None:
            context.load_cert_chain(files.cert, files.key)
    except ssl.SSLError as error:
        names = ", ".join(name for name in (files.ca, files.cert, files.key) if name is not None)
        raise errors.TlsFilesUnusable(names, str(error)) from error
    return context


def _text(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise errors.TlsFilesUnusable(name, str(reason)) from error


def _stated(block: Any, key: str, default: Any = None) -> Any:
    """Return what a block states: Feast's own store has fewer keys than the row store; each may be empty."""
    value = getattr(block, key, None)
    return default if value is None or value == "" else value


def _require_usable(same: Mapping[str, Any], load_balancing: Any) -> None:
    """Refuse what the stock store's block takes and nobody can do: the row store's own refuses it at once."""
    for name in ("read_concurrency", "write_concurrency"):
        if same.get(name, 1) < 1:
            raise errors.StoreSettingUnusable(name, same[name], "and nothing is ever sent then")
    policy = getattr(load_balancing, "load_balancing_policy", POLICIES[0])
    if policy not in POLICIES:
        known = " and ".join(POLICIES)
        raise errors.StoreSettingUnusable("load_balancing_policy", policy, f"and Feast knows {known}")


def _hosts(stated: Any) -> tuple[str, ...]:
    parts = stated.split(",") if isinstance(stated, str) else stated or ()
    return tuple(part.strip() for part in parts if part.strip())


def _port(stated: str | None) -> int | None:
    # Kubernetes states an address for a service of the name cassandra, which is nobody's choice.
    if not stated or "://" in stated:
        return None
    if not (stated.isascii() and stated.isdigit() and 1 <= int(stated) <= 65535):
        raise errors.EnvironmentUnusable(f"{PORT_VARIABLE}={stated!r} is no port")
    return int(stated)


def _tls(stated: Any, repo: Path | str | None) -> TlsFiles | None:
    if stated is None:
        return None
    # Relative paths are seen from the repository; without one, from the working directory.
    folder = Path("" if repo is None else repo)
    cert, key = (None if name is None else str(folder / name) for name in (stated.cert, stated.key))
    return TlsFiles(str(folder / stated.ca), cert, key, stated.check_hostname)


def _local_dc(block: Any) -> str | None:
    # A block that leaves local_dc out says nothing of the data centre, whatever the stock store would take.
    return str(block.local_dc) if block is not None and "local_dc" in block.model_fields_set else None
