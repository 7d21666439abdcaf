"""Where a server listens, who may reach it there, in which bounds it speaks HTTP, and what it never runs."""

import socket
import ssl
from typing import Any, NoReturn

import uvicorn
from starlette.types import ASGIApp

from poc.errors import AddressUnavailable, InvalidSettings, RegistryHoldsCode
from poc.serving.connections import BoundedConnection
from poc.serving.keys import require_keys
from poc.settings import Settings

# A request ends within its budget for Cassandra; what takes longer than this has lost its client.
LAST_REQUESTS_SECONDS = 30


def listen(settings: Settings, default_port: int) -> tuple[socket.socket, str]:
    """Take the address that `settings` name, without listening yet, and return it with its URL.

    Raises:
        AddressUnavailable: it cannot be taken.
        ApiKeysMissing: other machines can reach it, and nothing says who may ask.
        InvalidSettings: keys or certificate do not fit.
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
