"""PEM files of an encrypted connection, and the context that both the driver and a probe connect with.

Imports neither Feast nor a driver, so that a script can ask whether a Cassandra answers in milliseconds.
"""

import socket
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from poc.online_store.errors import TlsFilesUnusable


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of an encrypted connection; `config.Tls` says what they are."""

    ca: str
    cert: str | None = None
    key: str | None = None
    check_hostname: bool = True

    def relative_to(self, folder: Path | None) -> "TlsFiles":
        """Return the same files, relative paths from `folder` on; None is the working directory."""
        if folder is None:
            return self
        cert, key = (None if path is None else str(folder / path) for path in (self.cert, self.key))
        return replace(self, ca=str(folder / self.ca), cert=cert, key=key)

    def texts(self) -> tuple[str, str | None, str | None]:
        """Read `ca`, `cert` and `key`.

        Raises:
            TlsFilesUnusable: one is not there, or may not be read.
        """
        ca, cert, key = (None if name is None else _text(name) for name in (self.ca, self.cert, self.key))
        assert ca is not None
        return ca, cert, key


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """Build the context that verifies nodes against `files.ca` and shows our certificate if there is one.

    Raises:
        TlsFilesUnusable: a file is not there, may not be read, or is not what it should be.
    """
    files.texts()
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=files.ca)
        context.check_hostname = files.check_hostname
        if files.cert is not None:
            context.load_cert_chain(files.cert, files.key)
    except ssl.SSLError as error:
        names = ", ".join(name for name in (files.ca, files.cert, files.key) if name is not None)
        raise TlsFilesUnusable(names, str(error)) from error
    return context


def speaks_tls(host: str, port: int, timeout_seconds: float = 2.0) -> bool:
    """Tell whether what listens at `host:port` answers to a TLS handshake, whoever it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout_seconds) as plain,
            context.wrap_socket(plain, server_hostname=host),
        ):
            return True
    except OSError:
        return False


def _text(name: str) -> str:
    try:
        return Path(name).read_text()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise TlsFilesUnusable(name, str(reason)) from error
