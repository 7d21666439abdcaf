"""The nodes of a cluster, each asked by itself for what only it knows."""

import logging
from typing import Any

from cassandra.cluster import ResponseFuture, Session
from cassandra.policies import HostDistance
from cassandra.pool import Host

from poc.online_store.session import idempotent

log = logging.getLogger(__name__)


def ask_nodes(session: Session, cql: str, timeout_seconds: float) -> dict[str, list[Any] | None]:
    """Ask every node at once; return its rows by its address, None for one that does not answer.

    A node of another data centre is not connected to, and so is not asked.
    """
    cluster = session.cluster
    hosts = [
        host
        for host in cluster.metadata.all_hosts()
        if cluster.profile_manager.distance(host) != HostDistance.IGNORED
    ]
    asked = [(host, _ask(session, host, cql, timeout_seconds)) for host in hosts]
    return {host.address: _answer(host, future) for host, future in asked}


def _ask(session: Session, host: Host, cql: str, timeout_seconds: float) -> ResponseFuture | None:
    if host.is_up is False:
        return None
    return session.execute_async(idempotent(cql), host=host, timeout=timeout_seconds)


def _answer(host: Host, future: ResponseFuture | None) -> list[Any] | None:
    if future is None:
        return None
    try:
        return list(future.result().all())
    except Exception as error:  # Whatever keeps one node from answering, the others are still told of.
        log.warning("Node %s does not answer: %s", host.address, error)
        return None
