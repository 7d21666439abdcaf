"""Does a Cassandra answer at an address? Asked in CQL's own protocol: an open TCP port proves nothing.

Knows one frame of the native protocol, which needs no login. It needs no driver, so it costs a script
milliseconds.
"""

import socket
import ssl
import struct
from contextlib import ExitStack
from enum import Enum

# An OPTIONS request of protocol version 4, which every Cassandra since 2.2 understands before
# authentication: version, flags, stream, opcode, length of body.
_HEADER = struct.Struct(">BBhBi")
_OPTIONS = _HEADER.pack(0x04, 0, 0, 0x05, 0)
_RESPONSE = 0x80
_ERROR, _SUPPORTED = 0x00, 0x06


class Answer(Enum):
    """What is behind an address."""

    CQL = "a CQL server"
    NOTHING = "nothing"
    OTHER = "a program that does not speak CQL"


def probe(host: str, port: int, timeout_seconds: float = 2, context: ssl.SSLContext | None = None) -> Answer:
    """Ask what answers at `host:port`, waiting at most `timeout_seconds` for each step.

    A host name that does not resolve is `NOTHING`. One that accepts the connection and then stays silent
    is `OTHER`, as is one that speaks TLS where no `context` is given, or refuses what it says.
    """
    try:
        connection = socket.create_connection((host, port), timeout_seconds)
    except OSError:
        return Answer.NOTHING
    with ExitStack() as opened:
        opened.enter_context(connection)
        try:
            if context is not None:
                connection = opened.enter_context(context.wrap_socket(connection, server_hostname=host))
            connection.sendall(_OPTIONS)
            header = b""
            while len(header) < _HEADER.size:
                chunk = connection.recv(_HEADER.size - len(header))
                if not chunk:
                    return Answer.OTHER
                header += chunk
        except OSError:
            return Answer.OTHER
    version, _, _, opcode, _ = _HEADER.unpack(header)
    is_cql = version & _RESPONSE and opcode in (_SUPPORTED, _ERROR)
    return Answer.CQL if is_cql else Answer.OTHER


def listening_error(address: str, port: int) -> OSError | None:
    """Tell why a server could not listen at `address:port`; None where it could."""
    with socket.socket() as candidate:
        # As a server does: connections that ended a moment ago do not count.
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((address, port))
        except OSError as error:
            return error
    return None
