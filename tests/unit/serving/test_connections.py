"""What one client can take of a server, over real sockets: bytes and time are not the app's."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import httpx
import pytest
from live_app import live

from poc.serving import listening
from poc.serving.listening import MAX_HEAD_BYTES

MIB = 1024 * 1024


@pytest.fixture
def port(make_app: Callable, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(listening, "REQUEST_SECONDS", 1.0)
    monkeypatch.setattr(listening, "MAX_REQUEST_BYTES", 2 * MIB)
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


QUESTION = b'{"transaction_id": "12345"}'
ANOTHER_PROTOCOL = {
    "java": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n",
    "letters": b"X-None:\r\nUPGRADE: h2c, other/2\r\nX-None:\r\n"
    b"cOnnection: keep-alive\r\nConnection: upgrade\r\n",
    "websocket": b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
}
SIZED = b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
    QUESTION[:5],
    len(QUESTION) - 5,
    QUESTION[5:],
)
LAST = b"GET /live HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"


def cut(content: bytes, way: str) -> list[bytes]:
    if way == "bytes":
        return [content[i : i + 1] for i in range(len(content))]
    at = {"whole": 0, "head and body": content.index(b"\r\n\r\n") + 4, "in Upgrade": content.index(b"pgrade")}
    return [content[: at[way]], content[at[way] :]] if at[way] else [content]


@pytest.mark.parametrize("way", ["whole", "head and body", "in Upgrade", "bytes"])
@pytest.mark.parametrize("body", [SIZED, CHUNKED], ids=["sized", "chunked"])
@pytest.mark.parametrize("asked", ANOTHER_PROTOCOL.values(), ids=ANOTHER_PROTOCOL)
def test_request_for_another_protocol_is_answered_as_any_and_so_is_the_next(
    port: int, asked: bytes, body: bytes, way: str
) -> None:
    parts = cut(HEAD + asked + body, way)
    answer = sent(port, *parts, LAST, pause=0 if way == "bytes" else 0.05)
    assert answer.count(b"HTTP/1.1 ") == answer.count(b"HTTP/1.1 200 OK") == 2
    assert answer.count(b'"transaction_id":"12345"') == 1


def test_requests_for_another_protocol_are_answered_in_one_packet_and_in_order(port: int) -> None:
    asked = HEAD + ANOTHER_PROTOCOL["java"] + SIZED
    other = asked.replace(b"12345", b"67890")
    answer = sent(port, asked + other + HEAD + SIZED + asked + LAST)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == 5
    said = [answer.index(b'"transaction_id":"67890"'), answer.rindex(b'"transaction_id":"12345"')]
    assert answer.index(b'"transaction_id":"12345"') < said[0] < said[1]


def test_many_requests_for_another_protocol_in_one_packet_take_no_stack(port: int) -> None:
    asked = b"GET /live HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n"
    assert sent(port, asked * 3000 + LAST).count(b"HTTP/1.1 200 OK") == 3001


def test_request_for_another_protocol_that_ends_the_connection_ends_it(port: int) -> None:
    asked = ANOTHER_PROTOCOL["java"].replace(b"Connection: ", b"Connection: close, ")
    answer = sent(port, HEAD + asked + SIZED)
    assert answer.startswith(b"HTTP/1.1 200 OK") and b"connection: close\r\n" in answer


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"X-Folded: a\r\n Content-Length: 5\r\n\r\nhello",
        b"Content-Length : 5\r\n\r\nhello",
    ],
    ids=["two lengths", "length and chunks", "folded", "space"],
)
def test_request_for_another_protocol_hides_no_second_request(port: int, body: bytes) -> None:
    asked = HEAD + ANOTHER_PROTOCOL["java"] + body
    answer = sent(port, asked, LAST, pause=0.05)
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("parts", [(SIZED[:-1],), (b"Host: ",)], ids=["half a body", "half a head"])
def test_request_for_another_protocol_has_no_more_time_than_others(
    port: int, parts: tuple[bytes, ...]
) -> None:
    assert sent(port, HEAD + ANOTHER_PROTOCOL["java"], *parts).startswith(b"HTTP/1.1 408 ")


def test_tunnel_is_refused(port: int) -> None:
    asked = b"CONNECT here:1 HTTP/1.1\r\nHost: here\r\n" + ANOTHER_PROTOCOL["java"] + b"\r\n"
    assert sent(port, asked).startswith(b"HTTP/1.1 400 ")


def test_curl_that_asks_for_http_2_is_answered_twice_on_one_connection(port: int) -> None:
    curl = shutil.which("curl")
    if curl is None or "HTTP2" not in subprocess.run([curl, "-V"], capture_output=True, text=True).stdout:
        pytest.skip("there is no curl that speaks HTTP/2")
    url = f"http://127.0.0.1:{port}/predict"
    asked = ["-H", "content-type: application/json", "-d", QUESTION.decode(), "-o", "/dev/null"]
    written = ["-s", "-m", "10", "-w", "%{http_code} %{num_connects}\n"]
    call = [curl, "--http2", *written, *asked, url, "--next", "--http2", *written, *asked, url]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout.split("\n")
    assert said == ["200 1", "200 0", ""]
