"""One feature server over HTTP: where it is, what is sent there, and which connections are used again."""

import asyncio
import socket
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from answering_server import Server

from poc.errors import FeatureServerUnavailable
from poc.local_cassandra.secure import ensure_certificates
from poc.retrieval import feature_server
from poc.retrieval.feature_server import FeatureServer, HttpAnswer

QUESTION = b'{"features": []}'


def ask(url: str, times: int = 1, pause_seconds: float = 0.0) -> list[HttpAnswer]:
    """Ask so often in one event loop, with a pause after each; what the loop is told of as an error fails."""
    problems: list[dict[str, object]] = []

    async def asking() -> list[HttpAnswer]:
        asyncio.get_running_loop().set_exception_handler(lambda _, problem: problems.append(problem))
        asked = FeatureServer(url)
        answers = []
        for _ in range(times):
            answers.append(await asked.ask(QUESTION, 2.0))
            await asyncio.sleep(pause_seconds)
        return answers

    answers = asyncio.run(asking())
    assert problems == []
    return answers


def eventually(true: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true() and time.monotonic() < deadline:
        time.sleep(0.01)
    return true()


@pytest.fixture
def speaks(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of what takes a connection, says what the test's parameter is, and ends it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(1000)
                connection.sendall(request.param)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@pytest.mark.parametrize("speaks", [b""], indirect=True)
def test_server_that_ends_the_connection_without_an_answer_is_said_to_do_so(speaks: str) -> None:
    with pytest.raises(FeatureServerUnavailable) as caught:
        ask(speaks)
    assert (
        caught.value.what == f"Cannot reach the feature server at {speaks}: the server closed the connection"
    )


@pytest.mark.parametrize(
    "speaks", [b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nno header\r\n"], indirect=True
)
def test_what_speaks_no_http_is_no_feature_server(speaks: str) -> None:
    with pytest.raises(FeatureServerUnavailable):
        ask(speaks)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://features", ("features", 80)),
        ("https://features", ("features", 443)),
        ("http://features:6566/some/path", ("features", 6566)),
        ("https://user:word@features:8443", ("features", 8443)),
        ("http://[::1]:6566", ("::1", 6566)),
        ("http://:6566", ("localhost", 6566)),
    ],
)
def test_address_without_a_port_is_at_its_schemes(url: str, address: tuple[str, int]) -> None:
    assert FeatureServer(url)._address == address


def test_only_an_https_address_is_asked_encrypted_and_its_certificate_checked() -> None:
    assert FeatureServer("http://features")._tls is None
    context = FeatureServer("https://features")._tls
    assert context is not None
    assert context.check_hostname


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@features:6566", "http://features:6566"),
        ("https://features/", "https://features"),
        ("http://features/team/a/", "http://features/team/a"),
        ("http://[::1]:6566", "http://[::1]:6566"),
        ("http://features/X/", "http://features/X"),
    ],
)
def test_server_is_named_by_its_address_without_the_login(url: str, shown: str) -> None:
    assert FeatureServer(url).where == shown


@pytest.mark.parametrize(
    ("path", "asked"),
    [("", "/get-online-features"), ("/", "/get-online-features"), ("/a/X/", "/a/X/get-online-features")],
)
def test_question_goes_below_the_path_of_the_address(server: Server, path: str, asked: str) -> None:
    ask(server.url + path)
    [(found, headers)] = server.requests
    assert found == asked
    assert headers["host"] == f"127.0.0.1:{server.server_port}"
    assert headers["content-type"] == "application/json"
    assert server.asked == [{"features": []}]


def test_server_without_a_login_is_sent_none(server: Server) -> None:
    ask(server.url)
    [(_, headers)] = server.requests
    assert headers["authorization"] is None


@pytest.mark.parametrize(
    ("login", "sent"), [("user:pass", "user:pass"), ("us%40er:p%3Aw%2F", "us@er:p:w/"), ("user", "user:")]
)
def test_login_of_the_address_is_sent_as_it_was_before_it_was_quoted(
    server: Server, login: str, sent: str
) -> None:
    ask(server.url.replace("//", f"//{login}@"))
    [(_, headers)] = server.requests
    assert headers["authorization"] == f"Basic {b64encode(sent.encode()).decode()}"


def test_answer_is_given_as_it_came_whatever_its_status(server: Server) -> None:
    server.status, server.content = 418, b"tea"
    assert ask(server.url) == [HttpAnswer(418, b"tea")]


def test_question_and_login_go_nowhere_else_where_the_server_sends_them_on(server: Server) -> None:
    server.status, server.location = 307, f"{server.url}/elsewhere"
    assert ask(server.url) == [HttpAnswer(307, b"{}")]
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_gateways_answer_in_the_servers_place_is_no_answer_of_it(server: Server, status: int) -> None:
    server.status = status
    with pytest.raises(FeatureServerUnavailable, match=f"{server.url}: it answered {status}"):
        ask(server.url)


def test_nothing_that_listens_is_unavailable_by_the_systems_reason() -> None:
    with pytest.raises(FeatureServerUnavailable, match=r"at http://127\.0\.0\.1:1: .*Connect call failed"):
        ask("http://127.0.0.1:1")


def test_connection_that_the_server_closed_meanwhile_is_nobodys_error(server: Server) -> None:
    server.hang_up = True
    assert len(ask(server.url, 3, pause_seconds=0.05)) == 3
    assert list(server.connections.values()) == [1, 1, 1]


def test_connection_that_the_server_wants_closed_is_not_asked_again(server: Server) -> None:
    server.says_close = True
    ask(server.url, 2)
    assert list(server.connections.values()) == [1, 1]
    assert eventually(lambda: len(server.ended) == 2)


def test_connection_that_idled_for_longer_than_the_server_keeps_it_is_not_asked_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_server, "KEEP_SECONDS", 0.05)
    ask(server.url, 3, pause_seconds=0.1)
    assert list(server.connections.values()) == [1, 1, 1]


def test_late_answer_is_not_taken_for_that_to_the_next_question(server: Server) -> None:
    async def two() -> HttpAnswer:
        asked = FeatureServer(server.url)
        server.delay_seconds, server.content = 0.3, b"first"
        with pytest.raises(FeatureServerUnavailable, match=r"no answer in 0\.1 s"):
            await asked.ask(QUESTION, 0.1)
        server.delay_seconds, server.content = 0.0, b"second"
        await asyncio.sleep(0.3)
        return await asked.ask(QUESTION, 2.0)

    assert asyncio.run(two()).content == b"second"
    assert list(server.connections.values()) == [1, 1]


def test_no_more_connections_are_opened_at_once_than_allowed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feature_server, "MAX_CONNECTIONS", 2)

    async def many() -> None:
        asked = FeatureServer(server.url)
        await asyncio.gather(*(asked.ask(QUESTION, 5.0) for _ in range(6)))

    server.delay_seconds = 0.05
    asyncio.run(many())
    assert len(server.connections) == 2
    assert sum(server.connections.values()) == 6


def test_closed_server_is_asked_no_more_and_its_connections_end(server: Server) -> None:
    async def close() -> None:
        asked = FeatureServer(server.url)
        await asked.ask(QUESTION, 2.0)
        asked.close()
        asked.close()
        with pytest.raises(FeatureServerUnavailable, match=": the source was closed\n"):
            await asked.ask(QUESTION, 2.0)
        ended = await asyncio.to_thread(eventually, lambda: len(server.ended) == 1)
        assert ended

    asyncio.run(close())
    assert len(server.requests) == 1


def test_https_server_that_nobody_vouches_for_is_sent_no_question(tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "node.pem")
    asked: list[bytes] = []

    def serve() -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as encrypted:
                asked.append(encrypted.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(FeatureServerUnavailable, match="certificate verify failed"):
            ask(f"https://127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    assert asked in ([], [b""])
