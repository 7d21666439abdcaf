"""One connection of a client: uvicorn's, with bounds on what it may send and on how long that may take."""

import asyncio
from array import array
from typing import Any

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

# What others take as well: nginx 32 KB, h11 64 KB.
MAX_HEAD_BYTES = 64 * 1024
# A body that is larger than any valid one is answered with 413 while it comes; here the patience ends.
MAX_REQUEST_BYTES = 16 * 1024 * 1024
# From a connection's begin, or a request's first byte, until the request is there whole.
REQUEST_SECONDS = 20.0


class PlainParser(HttpRequestParser):
    """Parses a request that asks for another protocol as if it had not, which a server may (RFC 9110, 7.8).

    llhttp stops behind the head of such a request, and takes its body for the other protocol. Here it is
    given the head once more, without what it stopped at, and then what followed. Java's HttpClient asks so.
    """

    def __init__(self, connection: "BoundedConnection") -> None:
        self._connection = connection
        self._begin()

    def feed_data(self, data: "bytes | bytearray | memoryview[int] | array[int]") -> None:
        """Parse the next part of what a client sends."""
        while True:
            try:
                super().feed_data(data)
                return
            except HttpParserUpgrade as stop:
                data = memoryview(data)[stop.args[0] :]
                head = self._head()
                self._begin()
                super().feed_data(head)

    def stops(self) -> bool:
        """Tell whether the head that was just read has to be read once more. CONNECT stays what it is."""
        return self.should_upgrade() and self.get_method() != b"CONNECT"

    def _begin(self) -> None:
        super().__init__(self._connection)
        # As uvicorn has it.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def _head(self) -> bytes:
        """Write the head that was read, without Upgrade."""
        version = self.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.get_method(), self._connection.url, version)]
        lines += [b"%b: %b" % header for header in self._connection.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])


class BoundedConnection(HttpToolsProtocol):
    """A connection that answers 431 to a head, and 408 to a client, that does not come to an end."""

    parser: PlainParser

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = PlainParser(self)
        self._taken = 0
        self._in_body = False
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take a part of a request, and refuse what is too much."""
        if self._patience is None:
            self._wait()
        self._taken += len(data)
        super().data_received(data)
        if self._taken > (MAX_REQUEST_BYTES if self._in_body else MAX_HEAD_BYTES):
            self._refuse(413 if self._in_body else 431)

    def on_headers_complete(self) -> None:
        """Go on with the body."""
        if self.parser.stops():
            return
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there."""
        if self.parser.stops():
            return
        self._taken, self._in_body = 0, False
        self._wait_no_more()
        super().on_message_complete()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(REQUEST_SECONDS, self._refuse, 408)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: int) -> None:
        self._wait_no_more()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(STATUS_LINE[status] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self.transport.close()
