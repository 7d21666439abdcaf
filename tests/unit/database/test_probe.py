import socket
import threading
from collections.abc import Iterator

import pytest

from poc.database.probe import Answer, probe


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
