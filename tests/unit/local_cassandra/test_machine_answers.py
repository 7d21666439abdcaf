import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from poc.local_cassandra.machine import Answer, probe
from poc.local_cassandra.secure import client_files, ensure_certificates
from poc.online_store.connection import tls_context
from poc.online_store.failures import speaks_tls


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens and says nothing by itself."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def answer_with(listener: socket.socket, response: bytes) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(response)

    threading.Thread(target=serve, daemon=True).start()


def test_a_supported_frame_is_a_cql_server(listener: socket.socket) -> None:
    answer_with(listener, bytes([0x84, 0, 0, 0, 0x06, 0, 0, 0, 2, 0, 0]))
    assert probe(*listener.getsockname()) is Answer.CQL


def test_a_web_server_is_not_a_cql_server(listener: socket.socket) -> None:
    answer_with(listener, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert probe(*listener.getsockname()) is Answer.OTHER


def test_a_server_that_hangs_up_is_not_a_cql_server(listener: socket.socket) -> None:
    answer_with(listener, b"")
    assert probe(*listener.getsockname()) is Answer.OTHER


def test_a_silent_server_is_not_waited_for_beyond_the_timeout(listener: socket.socket) -> None:
    assert probe(*listener.getsockname(), timeout_seconds=0.1) is Answer.OTHER


def test_a_closed_port_is_nothing(listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    assert probe(*address) is Answer.NOTHING


def test_a_name_that_does_not_resolve_is_nothing() -> None:
    assert probe("no-such-host.invalid", 9042) is Answer.NOTHING


def test_a_server_that_speaks_tls_is_known_as_such_and_asked_over_tls(tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    node = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    node.load_cert_chain(tmp_path / "node.pem")
    supported = bytes([0x84, 0, 0, 0, 0x06, 0, 0, 0, 2, 0, 0])
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = server.accept()
                    with suppress(OSError), node.wrap_socket(plain, server_side=True) as connection:
                        if connection.recv(100):
                            connection.sendall(supported)

        threading.Thread(target=serve, daemon=True).start()
        address = server.getsockname()
        assert speaks_tls(*address)
        assert probe(*address) is Answer.OTHER
        assert probe(*address, context=tls_context(client_files(tmp_path))) is Answer.CQL


def test_a_server_that_speaks_plainly_is_none_of_tls(listener: socket.socket) -> None:
    assert not speaks_tls(*listener.getsockname(), timeout_seconds=0.2)
