"""What it takes to reach a Cassandra, read from either store's settings.

The row store and the stock store are configured differently; everything below this speaks
`ConnectionSettings`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from poc.online_store.config import DEFAULT_PORT, RowStoreSettings
from poc.online_store.credentials import Credentials, environment_credentials
from poc.online_store.tls import TlsFiles

PROTOCOL_VERSION = 5


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """The way into a cluster, and how its statements are to run.

    Attributes:
        hosts: contact points; empty with a secure bundle.
        secure_bundle_path: Astra's bundle instead of hosts.
        protocol_version: None lets the driver find out.
        local_dc: None takes the first contact point's.
        request_timeout_seconds, connect_timeout_seconds: longest waits.
        speculative_delay_ms: after which a second node is asked; None for never.
    """

    hosts: tuple[str, ...]
    port: int
    keyspace: str
    secure_bundle_path: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: TlsFiles | None = None
    protocol_version: int | None = PROTOCOL_VERSION
    read_consistency: str = "LOCAL_ONE"
    write_consistency: str = "LOCAL_ONE"
    request_timeout_seconds: float = 10.0
    connect_timeout_seconds: float = 5.0
    speculative_delay_ms: int | None = None
    compression: bool = False
    local_dc: str | None = None
    write_concurrency: int = 100

    def __str__(self) -> str:
        if self.secure_bundle_path is not None:
            return self.secure_bundle_path
        return ",".join(f"{host}:{self.port}" for host in self.hosts)


def row_store_connection(
    config: RowStoreSettings, repo: Path | str | None = None, environment: Mapping[str, str] = os.environ
) -> ConnectionSettings:
    """Read the row store's settings; user and password from `environment` where they are not stated.

    Args:
        repo: the feature repository, which relative paths of TLS files are seen from; None for the
            working directory.

    Raises:
        CredentialsUnusable: the environment has a user without a password, or the other way round.
    """
    if config.username is not None and config.password is not None:
        login: Credentials | None = Credentials(config.username, config.password)
    else:
        login = environment_credentials(environment)
    tls, read = config.tls, config.read_consistency_level
    files = None if tls is None else TlsFiles(tls.ca, tls.cert, tls.key, tls.check_hostname)
    return ConnectionSettings(
        hosts=tuple(config.hosts if config.hosts is not None else ()),
        port=DEFAULT_PORT if config.port is None else config.port,
        keyspace=config.keyspace,
        secure_bundle_path=config.secure_bundle_path,
        username=None if login is None else login.username,
        password=None if login is None else login.password,
        tls=None if files is None else files.relative_to(None if repo is None else Path(repo)),
        protocol_version=_protocol_version(config),
        read_consistency=config.consistency_level if read is None else read,
        write_consistency=config.consistency_level,
        request_timeout_seconds=config.request_timeout,
        connect_timeout_seconds=config.connect_timeout,
        speculative_delay_ms=config.speculative_execution_delay_ms,
        compression=config.compression,
        local_dc=_local_dc(config),
        write_concurrency=config.write_concurrency,
    )


def stock_connection(config: Any) -> ConnectionSettings:
    """Read the stock store's CassandraOnlineStoreConfig.

    Its request_timeout applies here with or without a load_balancing block.
    """
    timeout, concurrency = config.request_timeout, config.write_concurrency
    return ConnectionSettings(
        hosts=tuple(config.hosts if config.hosts is not None else ()),
        port=DEFAULT_PORT if config.port is None else config.port,
        keyspace=config.keyspace,
        secure_bundle_path=config.secure_bundle_path,
        username=config.username,
        password=config.password,
        protocol_version=_protocol_version(config),
        request_timeout_seconds=10.0 if timeout is None else timeout,
        local_dc=_local_dc(config),
        write_concurrency=100 if concurrency is None else concurrency,
    )


def _protocol_version(config: Any) -> int | None:
    if config.protocol_version is not None:
        return int(config.protocol_version)
    # Astra speaks what it speaks: there the driver has to ask.
    return PROTOCOL_VERSION if config.secure_bundle_path is None else None


def _local_dc(config: Any) -> str | None:
    stated = getattr(config, "local_dc", None)
    if stated is not None:
        return str(stated)
    return None if config.load_balancing is None else str(config.load_balancing.local_dc)
