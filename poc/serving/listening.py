"""Where a server listens, who may reach it there, in which bounds it speaks HTTP, and what it never runs."""

import asyncio
import socket
import ssl
from array import array
from typing import Any, NoReturn

import uvicorn
from httptools import HttpParserUpgrade, HttpRequestParser
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from poc.errors import AddressUnavailable, InvalidSettings, RegistryHoldsCode
from poc.serving.keys import require_keys
from poc.settings import Settings

# A request ends within its budget for Cassandra; what takes longer than this has lost its client.
LAST_REQUESTS_SECONDS = 30
# What others take as well: nginx 32 KB, h11 64 KB.
MAX_HEAD_BYTES = 64 * 1024
# A body that is larger than any valid one is answered with 413 while it comes; here the patience ends.
MAX_REQUEST_BYTES = 16 * 1024 * 1024
# From a connection's begin, or a request's first byte, until the request is there whole.
REQUEST_SECONDS = 20.0


def listen(settings: Settings, default_port: int) -> tuple[socket.socket, str]:
    """Take the address that `settings` name, without listening yet, and return it with its URL.

    Raises what `bind`, `require_certificate` and `require_keys` do.
    """
    require_certificate(settings)
    port = default_port if settings.port is None else settings.port
    listener = bind(settings.host, port)
    require_keys(settings, listener.getsockname()[0])
    scheme = "http" if settings.tls_key is None else "https"
    return listener, f"{scheme}://{shown_host(settings.host)}:{port}"


def configured(app: ASGIApp, settings: Settings) -> uvicorn.Config:
    """Return how uvicorn is to run `app`."""
    return uvicorn.Config(
        app,
        http=BoundedConnection,
        # There are none here; one that begins would pass neither the edge nor the bounds of a connection.
        ws="none",
        log_config=None,
        access_log=settings.log_level == "DEBUG",
        server_header=False,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
    )


def bind(host: str, port: int) -> socket.socket:
    """Take the address, without listening yet; raise `AddressUnavailable` where it cannot be taken."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error
    return listener


def begin_to_listen(listener: socket.socket) -> None:
    """Listen, which only one of two can that took an address before either listened.

    uvloop says nothing where it could not, and goes on. Raises `AddressUnavailable`.
    """
    try:
        listener.listen()
    except OSError as error:
        host, port, *_ = listener.getsockname()
        raise AddressUnavailable(host, port, error.strerror or str(error)) from error


def require_certificate(settings: Settings) -> None:
    """Raise `InvalidSettings` where there is a certificate without a key, or one that cannot be used."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return
    if certificate is None or key is None:
        raise InvalidSettings(["TLS_CERTIFICATE and TLS_KEY go together"])
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except OSError as error:
        raise InvalidSettings([f"TLS_CERTIFICATE={certificate}, TLS_KEY={key}: {error}"]) from error


def shown_host(host: str) -> str:
    """Return `host` as it stands in a URL that a person on this machine can ask."""
    if host in ("127.0.0.1", "::1"):
        return "localhost"
    return f"[{host}]" if ":" in host else host


def refuse_registry_code(settings: Settings) -> None:
    """Let this process load no pickled function from now on, unless `REGISTRY_CODE=run`.

    Feast keeps the functions of on-demand and stream views pickled in the registry, and loads them by
    `dill.loads` whenever it lists those views. Nothing else that a server reads is pickled.
    """
    if settings.registry_code == "refuse":
        import dill

        dill.loads = _refuse


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise RegistryHoldsCode


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
