"""A running `feast serve`, asked over HTTP. Knows connections and time limits, not what features mean.

The connections are spoken here, with the parser that uvicorn uses: of a question that takes a millisecond,
httpx would take another two. aiohttp's client, tried in this one's place, took 0.15 ms more, and a read 2.4
times as long as a direct one instead of 2.1.
"""

import asyncio
import base64
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

import httptools

from poc.errors import FeatureServerUnavailable
from poc.retrieval.source import within

PATH = "get-online-features"
MAX_CONNECTIONS = 100
# `feast serve` closes a connection that was idle for 5 s, unless told otherwise.
KEEP_SECONDS = 4.0
# What a gateway says when the server behind it does not answer, or has too much to do.
_ELSEWHERE = (429, 502, 503, 504)


class HttpAnswer(NamedTuple):
    """What came back."""

    status: int
    content: bytes


class FeatureServer:
    """One feature server, asked from any event loop through a bounded pool of connections of that loop's.

    A password in its URL is sent, never shown.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or "localhost"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._address = (host, parts.port or (80 if self._tls is None else 443))
        shown = f"[{host}]" if ":" in host else host
        authority = shown if parts.port is None else f"{shown}:{parts.port}"
        path = f"{parts.path.rstrip('/')}/{PATH}"
        self.where = f"{parts.scheme}://{authority}{parts.path}".rstrip("/")
        lines = [f"POST {path} HTTP/1.1", f"Host: {authority}", "Content-Type: application/json"]
        if parts.username is not None:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            lines.append(f"Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        self._head = "\r\n".join([*lines, "Content-Length: "]).encode()
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()
        self._closed = False

    async def ask(self, question: bytes, seconds: float) -> HttpAnswer:
        """Send `question`, JSON, and return the whole answer, whatever its status.

        Without one in `seconds` raise `FeatureServerUnavailable`.
        """
        if self._closed:
            raise self._unavailable("the source was closed")
        try:
            answer = await within(
                seconds, self._post(question), lambda: self._unavailable(f"no answer in {seconds:.1f} s")
            )
        except (OSError, EOFError, ssl.SSLError, httptools.HttpParserError) as error:
            raise self._unavailable(str(error) or type(error).__name__) from error
        if answer.status in _ELSEWHERE:
            raise self._unavailable(f"it answered {answer.status}")
        return answer

    def close(self) -> None:
        """Close the connections. A second call does nothing."""
        self._closed = True
        for loop, pool in list(self._pools.items()):
            if loop.is_running():
                loop.call_soon_threadsafe(pool.close)

    async def _post(self, question: bytes) -> HttpAnswer:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            pool = self._pools.setdefault(loop, _Pool())
        message = b"%b%d\r\n\r\n%b" % (self._head, len(question), question)
        async with pool.permits:
            kept = pool.take()
            if kept is not None:
                # The server may close a kept connection just when it is taken; a read can be asked twice.
                with suppress(OSError, EOFError):
                    return await pool.exchange(kept, message)
            _, fresh = await loop.create_connection(_Connection, *self._address, ssl=self._tls)
            return await pool.exchange(fresh, message)

    def _unavailable(self, reason: str) -> FeatureServerUnavailable:
        return FeatureServerUnavailable(self.where, reason)


@dataclass(slots=True)
class _Pool:
    """The connections of one event loop."""

    permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MAX_CONNECTIONS))
    idle: "list[tuple[float, _Connection]]" = field(default_factory=list)

    def take(self) -> "_Connection | None":
        """Return the connection that was used last, if the server can be expected to have it still."""
        while self.idle:
            since, connection = self.idle.pop()
            if connection.stays and time.monotonic() - since < KEEP_SECONDS:
                return connection
            connection.abort()
        return None

    async def exchange(self, connection: "_Connection", message: bytes) -> HttpAnswer:
        try:
            answer = await connection.exchange(message)
        except BaseException:
            # An answer that comes late must not be taken for that to the next question.
            connection.abort()
            raise
        if connection.stays:
            self.idle.append((time.monotonic(), connection))
        else:
            connection.abort()
        return answer

    def close(self) -> None:
        while self.idle:
            self.idle.pop()[1].abort()


class _Connection(asyncio.Protocol):
    """One connection: a question, then its answer; while it `stays`, it can be asked again."""

    def __init__(self) -> None:
        self.stays = True
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[HttpAnswer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []

    async def exchange(self, message: bytes) -> HttpAnswer:
        assert self._transport is not None
        if not self.stays:
            raise EOFError("the server closed the connection")
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._parts.clear()
        self._transport.write(message)
        return await self._answer

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are no subclass.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or EOFError("the server closed the connection"))

    def on_body(self, part: bytes) -> None:
        self._parts.append(part)

    def on_message_complete(self) -> None:
        self.stays = self.stays and self._parser.should_keep_alive()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(HttpAnswer(self._parser.get_status_code(), b"".join(self._parts)))

    def _fail(self, error: Exception) -> None:
        self.stays = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
