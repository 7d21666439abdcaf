"""A running `feast serve`, asked over HTTP. Knows connections and time limits, not what features mean."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from weakref import WeakKeyDictionary

import aiohttp

from poc.errors import FeatureServerUnavailable
from poc.online_store.acsylla_reads import closed_by_its_loop
from poc.retrieval.source import within

PATH = "get-online-features"
MAX_CONNECTIONS = 100
# `feast serve` closes a connection that was idle for 5 s, unless told otherwise.
KEEP_SECONDS = 4.0
# What a gateway says when the server behind it does not answer, or has too much to do.
_ELSEWHERE = (429, 502, 503, 504)
_JSON = {"Content-Type": "application/json"}
# And what ends it where its loop ends.
_Session = tuple[aiohttp.ClientSession, AsyncGenerator[None, None]]


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
        shown = f"[{host}]" if ":" in host else host
        authority = shown if parts.port is None else f"{shown}:{parts.port}"
        self.where = f"{parts.scheme}://{authority}{parts.path}".rstrip("/")
        self._login: aiohttp.BasicAuth | None = None
        if parts.username is not None:
            self._login = aiohttp.BasicAuth(unquote(parts.username), unquote(parts.password or ""), "utf-8")
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, _Session] = WeakKeyDictionary()
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
        except (aiohttp.ClientError, OSError) as error:
            raise self._unavailable(str(error) or type(error).__name__) from error
        if answer.status in _ELSEWHERE:
            raise self._unavailable(f"it answered {answer.status}")
        return answer

    def close(self) -> None:
        """Close the connections. A second call does nothing."""
        self._closed = True
        for loop, (session, _) in list(self._sessions.items()):
            if loop.is_running():
                asyncio.run_coroutine_threadsafe(session.close(), loop)
            elif not loop.is_closed():
                loop.run_until_complete(session.close())

    async def _post(self, question: bytes) -> HttpAnswer:
        try:
            return await self._exchange(question)
        except aiohttp.ClientConnectorError:
            raise
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
            # The server may close a kept connection just when it is taken; a read can be asked twice.
            return await self._exchange(question)

    async def _exchange(self, question: bytes) -> HttpAnswer:
        session = await self._session()
        url = f"{self.where}/{PATH}"
        async with session.post(url, data=question, headers=_JSON, allow_redirects=False) as answer:
            return HttpAnswer(answer.status, await answer.read())

    async def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if loop in self._sessions:
            return self._sessions[loop][0]
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_SECONDS),
            auth=self._login,
        )
        ending = closed_by_its_loop(session)
        self._sessions[loop] = session, ending
        await anext(ending)
        return session

    def _unavailable(self, reason: str) -> FeatureServerUnavailable:
        return FeatureServerUnavailable(self.where, reason)
