"""What one client can take of a server, over real sockets: bytes and time are not the app's."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from live_app import live

from poc.serving import connections
from poc.serving.connections import MAX_HEAD_BYTES

MIB = 1024 * 1024


@pytest.fixture
def port(make_app: Callable, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(connections, "MAX_REQUEST_BYTES", 2 * MIB)
    with live(make_app()) as port:
        yield port


def sent(port: int, *parts: bytes, pause: float = 0.0) -> bytes:
    """Send `parts` and return all that comes until the server closes the connection."""
    answer = b""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as client:
        try:
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
            while received := client.recv(65536):
                answer += received
        except (ConnectionResetError, BrokenPipeError):
            pass
    return answer


HEAD = b"POST /predict HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"a" * 200,
        b"GET / HTTP/1.1\r\nX-Long: " + b"a" * 200,
        b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 20,
    ],
    ids=["path", "header", "headers"],
)
def test_head_without_end_is_refused_early(port: int, endless: bytes) -> None:
    parts = [endless, *[endless[-8:] * 1024] * 40]
    answer = sent(port, *parts)
    assert answer.startswith(b"HTTP/1.1 431 ") or answer == b""


def test_trailers_without_end_are_cut_off(port: int) -> None:
    begin = HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: "
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as client:
        client.sendall(begin)
        taken = 0
        with pytest.raises(OSError):
            while taken < 64 * MIB:
                client.sendall(b"a" * MIB)
                taken += MIB
    assert taken < 64 * MIB


@pytest.mark.parametrize(
    "parts",
    [(), (b"GET /live HTTP/1.1\r\nHost: he",), (HEAD + b"Content-Length: 100\r\n\r\n{",), (b"\r\n",)],
    ids=["nothing", "half a head", "half a body", "line ends"],
)
def test_client_that_does_not_come_to_an_end_is_let_go(port: int, parts: tuple[bytes, ...]) -> None:
    assert sent(port, *parts).startswith(b"HTTP/1.1 408 ")


def test_client_that_drips_is_let_go(port: int) -> None:
    drops = [
        bytes([letter]) for letter in b"GET /live HTTP/1.1\r\nHost: here\r\nX-Slow: aaaaaaaaaaaaaaaa\r\n\r\n"
    ]
    assert b"200 OK" not in sent(port, *drops, pause=0.05)


def test_client_that_left_in_the_midst_of_a_body_is_no_failure(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=20)) as client:
        client.sendall(HEAD + b"Content-Length: 100\r\n\r\n{")
    sent(port, HEAD + b"Content-Length: 100\r\n\r\n{")
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_large_requests_one_after_the_other_are_answered(port: int) -> None:
    body = {"transaction_ids": ["1" * 256] * 100}
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        head = {"X-Long": "a" * (MAX_HEAD_BYTES // 2)}
        for _ in range(20):
            assert client.post("/predict/batch", json=body, headers=head).status_code == 200


def test_body_that_is_too_large_is_told_so(port: int) -> None:
    answer = httpx.post(
        f"http://127.0.0.1:{port}/predict", content=b"1" * MIB, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 413
