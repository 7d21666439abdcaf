"""How the C++ driver reaches a cluster: what `acsylla.create_cluster` takes for connection settings."""

from typing import Any

from poc.online_store.connection import ConnectionSettings
from poc.online_store.patience import (
    HEARTBEAT_SECONDS,
    HEARTBEAT_TIMEOUT_SECONDS,
    MORE_NODES,
    RECONNECTION_DELAY_SECONDS,
)
from poc.online_store.tls import TlsFiles

# The C++ driver's protocol 5 is a beta of before Cassandra 4.0.
NEWEST_PROTOCOL = 4


def cluster_arguments(settings: ConnectionSettings) -> dict[str, Any]:
    """Give what `acsylla.create_cluster` takes for `settings`; statements run at the write consistency."""
    arguments: dict[str, Any] = {
        "contact_points": list(settings.hosts),
        "port": settings.port,
        "consistency": settings.write_consistency,
        "request_timeout": settings.request_timeout_seconds,
        "connect_timeout": settings.connect_timeout_seconds,
        # Unless the exponential ones are taken away, they win: a node that is back was used after 39 s.
        "constant_reconnect_delay_ms": int(RECONNECTION_DELAY_SECONDS * 1000),
        "exponential_reconnect_base_delay_ms": None,
        "exponential_reconnect_max_delay_ms": None,
        # As cassandra-driver has it: a frozen node answers no heartbeat, and is given up.
        "heartbeat_interval_sec": HEARTBEAT_SECONDS,
        "idle_timeout_sec": HEARTBEAT_SECONDS + HEARTBEAT_TIMEOUT_SECONDS,
        # Else it prints that Cassandra has no ScyllaDB shards. Errors reach us as exceptions.
        "log_level": "critical",
    }
    stated = settings.protocol_version
    arguments["protocol_version"] = NEWEST_PROTOCOL if stated is None else min(stated, NEWEST_PROTOCOL)
    if settings.local_dc is not None:
        arguments["load_balance_dc_aware"] = settings.local_dc
    if settings.username is not None:
        arguments |= {"username": settings.username, "password": settings.password}
    if settings.tls is not None:
        arguments |= _tls_arguments(settings.tls)
    if settings.speculative_delay_ms is not None:
        from acsylla import SpeculativeExecutionPolicy

        arguments["speculative_execution_policy"] = SpeculativeExecutionPolicy(
            settings.speculative_delay_ms, max_speculative_executions=MORE_NODES
        )
    return arguments


def _tls_arguments(files: TlsFiles) -> dict[str, Any]:
    ca, cert, key = files.texts()
    arguments: dict[str, Any] = {
        "ssl_enabled": True,
        "ssl_trusted_cert": ca,
        "ssl_verify_flags": "PEER_IDENTITY" if files.check_hostname else "PEER_CERT",
    }
    if cert is not None and key is not None:
        arguments |= {"ssl_cert": cert, "ssl_private_key": key}
    return arguments
