"""A running `feast serve`, asked over HTTP. Knows connections and time limits, not what features mean."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as WaitTimeout
from typing import Any, TypeVar

import httpx

from poc.errors import FeatureServerUnavailable
from poc.retrieval.tables import Deadline

PATH = "get-online-features"
MAX_CONNECTIONS = 100
# `feast serve` closes a connection that was idle for 5 s, unless told otherwise.
KEEP_SECONDS = 4.0
CLOSE_SECONDS = 2.0
# What a busy loop may take beyond a deadline to say that it has passed.
GRACE_SECONDS = 1.0
# What a gateway says when the server behind it does not answer, or has too much to do.
_ELSEWHERE = (429, 502, 503, 504)

T = TypeVar("T")


class FeatureServer:
    """One feature server, asked from one event loop through a bounded pool of connections.

    Args:
        url: where it is, for example `http://localhost:6566`. A password in it is sent, never shown.
        loop: runs, in another thread than the one that calls `run` and `close`.
    """

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        self.where = str(httpx.URL(url).copy_with(userinfo=b"")).rstrip("/")
        self._loop = loop
        self._closed = False
        limits = httpx.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_SECONDS,
        )
        # The limit of a question is one for all its steps; httpx's are for each step.
        self._client = httpx.AsyncClient(base_url=url, timeout=None, limits=limits)

    async def ask(self, question: bytes, deadline: Deadline) -> httpx.Response:
        """Send `question`, JSON, and give the whole answer, whatever its status.

        Raises:
            FeatureServerUnavailable: there is none by then.
        """
        seconds = deadline.remaining()
        if self._closed:
            raise FeatureServerUnavailable(self.where, "the source was closed")
        try:
            answer = await asyncio.wait_for(self._post(question), seconds)
        except asyncio.TimeoutError as error:  # A type of its own before Python 3.11.
            raise FeatureServerUnavailable(self.where, f"no answer in {seconds:.1f} s") from error
        except httpx.HTTPError as error:
            raise FeatureServerUnavailable(self.where, str(error) or type(error).__name__) from error
        if answer.status_code in _ELSEWHERE:
            raise FeatureServerUnavailable(self.where, f"it answered {answer.status_code}")
        return answer

    def run(self, work: Coroutine[Any, Any, T], deadline: Deadline) -> T:
        """Run `work`, which keeps to `deadline`, on the loop, and wait for it.

        Raises:
            FeatureServerUnavailable: the loop has ended, or ends before `work` does.
        """
        if self._closed or not self._loop.is_running():
            work.close()
            raise FeatureServerUnavailable(self.where, "the source was closed")
        done = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result(deadline.remaining() + GRACE_SECONDS)
        except WaitTimeout as error:  # A type of its own before Python 3.11.
            done.cancel()
            raise FeatureServerUnavailable(self.where, "the source was closed") from error

    def close(self) -> None:
        """Close the connections. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop)
            try:
                closing.result(CLOSE_SECONDS)
            except WaitTimeout:
                closing.cancel()

    async def _post(self, question: bytes) -> httpx.Response:
        headers = {"content-type": "application/json"}
        try:
            return await self._client.post(PATH, content=question, headers=headers)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # The server may close a kept connection just when it is taken; a read can be asked twice.
            return await self._client.post(PATH, content=question, headers=headers)


class LoopThread:
    """An event loop that runs in a thread of its own, for callers that have none."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="feature-server", daemon=True)
        self._thread.start()
        # Whoever asks next whether it runs is to be told the truth.
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result()

    def stop(self) -> None:
        """End it. A second call does nothing."""
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(CLOSE_SECONDS)
