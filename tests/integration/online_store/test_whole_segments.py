"""Answers that come in pieces, as over any network: each header of protocol 5 in two parts."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tcp_proxy import TcpProxy

from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import cassandra_session, idempotent

READ = "SELECT table_name, id FROM system_schema.tables WHERE keyspace_name = 'system'"


@pytest.fixture
def in_pieces(cassandra: ConnectionSettings) -> Iterator[ConnectionSettings]:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    proxy.piece_bytes = 4
    yield replace(cassandra, hosts=("127.0.0.1",), port=proxy.port)
    proxy.cut()


@pytest.mark.parametrize("compression", [False, True], ids=["plain", "compressed"])
def test_answers_in_pieces_are_whole(
    cassandra: ConnectionSettings, in_pieces: ConnectionSettings, compression: bool
) -> None:
    with cassandra_session(cassandra) as session:
        expected = set(session.execute(READ))
    with cassandra_session(replace(in_pieces, compression=compression)) as session:
        assert session.cluster.protocol_version == 5
        for asked in [session.execute_async(idempotent(READ)) for _ in range(20)]:
            assert set(asked.result()) == expected
