"""The source against servers that are not well: what they say, and when they say nothing."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import ValidationError

from poc.definitions import FeatureSet
from poc.errors import (
    FeatureServerFailed,
    FeatureServerUnavailable,
    FeaturesNotApplied,
    FeaturesNotServed,
    OnlineTableMissing,
    PocError,
)
from poc.retrieval.feature_server_source import FeatureServerSource
from poc.settings import Settings

SERVICE = "fraud_detection_v1"
PATIENCE_SECONDS = 0.5


class Server(ThreadingHTTPServer):
    """Answers each question with `status` and `content`, after `delay_seconds`, and keeps connections."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.content, self.delay_seconds, self.drips = 200, b"{}", 0.0, False
        self.asked: list[dict[str, object]] = []
        self.connections: Counter[object] = Counter()
        self.hang_up = False
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        server.connections[self.client_address] += 1
        server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        time.sleep(server.delay_seconds)
        self.send_response(server.status)
        self.send_header("content-length", str(len(server.content)))
        self.end_headers()
        for byte in server.content if server.drips else [server.content]:
            self.wfile.write(bytes([byte]) if server.drips else byte)
            time.sleep(0.1 if server.drips else 0)
        # A server may close a kept connection without saying so.
        self.close_connection = server.hang_up

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def open_source(definitions: FeatureSet) -> Iterator[Callable[[str], FeatureServerSource]]:
    opened: list[FeatureServerSource] = []

    def open_at(url: str) -> FeatureServerSource:
        opened.append(FeatureServerSource(url, SERVICE, definitions, timeout_seconds=PATIENCE_SECONDS))
        return opened[-1]

    yield open_at
    for source in opened:
        source.close()


def right_answer(definitions: FeatureSet, *ids: str) -> bytes:
    absent = {
        "values": [None] * len(ids),
        "statuses": ["NOT_FOUND"] * len(ids),
        "event_timestamps": ["1970-01-01T00:00:00Z"] * len(ids),
    }
    results = [{**absent, "values": list(ids)}, *(absent for _ in definitions.names)]
    names = [definitions.join_key, *definitions.names]
    return json.dumps({"metadata": {"feature_names": names}, "results": results}).encode()


def test_question_names_the_service_and_the_ids(
    server: Server, open_source: Callable, definitions: FeatureSet
) -> None:
    server.content = right_answer(definitions, "a", "b")
    assert open_source(server.url).read(["a", "b"]) == [None, None]
    assert server.asked == [{"feature_service": SERVICE, "entities": {definitions.join_key: ["a", "b"]}}]


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (404, b'{"detail": "Not Found"}', FeatureServerFailed),
        (422, b"{}", FeatureServerFailed),
        (500, b"Internal Server Error", FeatureServerFailed),
        (500, b'{"detail": "NoHostAvailable"}', FeatureServerFailed),
        (301, b"", FeatureServerFailed),
        (200, b"<html>", FeatureServerFailed),
        (200, b'{"metadata": {}}', FeatureServerFailed),
        (502, b"", FeatureServerUnavailable),
        (503, b"", FeatureServerUnavailable),
        (500, b'{"detail": "Feature service fraud_detection_v1 does not exist in p"}', FeaturesNotApplied),
        (500, b'{"detail": "[Invalid query] message=\\"table t does not exist\\""}', OnlineTableMissing),
    ],
)
def test_failed_answer_is_told_by_its_kind(
    server: Server, open_source: Callable, status: int, content: bytes, expected: type[PocError]
) -> None:
    server.status, server.content = status, content
    with pytest.raises(PocError) as caught:
        open_source(server.url).read(["a"])
    assert type(caught.value) is expected


def test_feature_that_the_server_does_not_know_is_named(
    server: Server, open_source: Callable, definitions: FeatureSet
) -> None:
    *_, last = definitions.names
    answer = json.loads(right_answer(definitions, "a"))
    answer["metadata"]["feature_names"].remove(last)
    answer["results"].pop()
    server.content = json.dumps(answer).encode()
    with pytest.raises(FeaturesNotServed, match=last):
        open_source(server.url).read(["a"])


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "byte by byte"])
def test_slow_answer_is_not_waited_for(
    server: Server, open_source: Callable, definitions: FeatureSet, drips: bool
) -> None:
    server.content = right_answer(definitions, "a")
    server.delay_seconds, server.drips = (0.0, True) if drips else (30.0, False)
    with pytest.raises(FeatureServerUnavailable, match=r"no answer in 0\.5 s"):
        open_source(server.url).read(["a"])


def test_connections_are_kept(server: Server, open_source: Callable, definitions: FeatureSet) -> None:
    server.content = right_answer(definitions, "a")
    source = open_source(server.url)
    for _ in range(5):
        source.read(["a"])
    assert list(server.connections.values()) == [5]


def test_connection_that_the_server_closed_is_opened_again(
    server: Server, open_source: Callable, definitions: FeatureSet
) -> None:
    server.content, server.hang_up = right_answer(definitions, "a"), True
    source = open_source(server.url)
    assert [source.read(["a"]) for _ in range(5)] == [[None]] * 5


def test_password_in_the_address_is_sent_and_not_shown(open_source: Callable) -> None:
    with pytest.raises(FeatureServerUnavailable) as caught:
        open_source("http://user:secret@127.0.0.1:1").read(["a"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:6566", "ftp://host", "http://", "http://host/?x=1", ""])
def test_address_that_is_none_is_refused_with_the_settings(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, feature_server_url=url)


def test_event_loop_asks_without_blocking(
    server: Server, open_source: Callable, definitions: FeatureSet
) -> None:
    server.content, server.delay_seconds = right_answer(definitions, "a"), 0.2
    source = open_source(server.url)

    async def both() -> list[object]:
        await asyncio.to_thread(source.use_loop, asyncio.get_running_loop())
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.01)

        ticking = asyncio.create_task(tick())
        found = await source.async_read(["a"])
        ticking.cancel()
        await asyncio.to_thread(source.close)
        return [found, ticks > 1]

    assert asyncio.run(both()) == [[None], True]
