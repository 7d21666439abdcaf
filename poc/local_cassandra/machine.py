"""What this machine offers a Cassandra: what answers at an address, free ports, memory and disk.

An open TCP port proves nothing: whether a Cassandra answers is asked in CQL's own protocol, by a frame that
needs no login and no driver. Each `require_...` returns when all is well, else raises what says what to do.
"""

import errno
import shutil
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path

import psutil

from poc.errors import LoopbackAddressMissing, PortTaken, TooLittleDisk, TooLittleMemory

# An OPTIONS request of protocol version 4, which every Cassandra since 2.2 understands before
# authentication: version, flags, stream, opcode, length of body.
_HEADER = struct.Struct(">BBhBi")
_OPTIONS = _HEADER.pack(0x04, 0, 0, 0x05, 0)
_RESPONSE = 0x80
_ERROR, _SUPPORTED = 0x00, 0x06

FIRST_STORAGE_PORT = 7000
STORAGE_PORTS = 1000
# Code, threads and off-heap memtables. Measured with a heap of 512 MB: 640 MB in all after a start, 740 MB
# after 90,000 written rows; the rest is for a heap that has filled up.
BESIDE_HEAP_MB = 400
# Its commit log alone may grow to 256 MB before the data has to.
DISK_MB = 500


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
        plain = socket.create_connection((host, port), timeout_seconds)
    except OSError:
        return Answer.NOTHING
    try:
        with (
            plain,
            plain if context is None else context.wrap_socket(plain, server_hostname=host) as connection,
            connection.makefile("rb") as reply,
        ):
            connection.sendall(_OPTIONS)
            version, _, _, opcode, _ = _HEADER.unpack(reply.read(_HEADER.size))
    except (OSError, struct.error):
        return Answer.OTHER
    return Answer.CQL if version & _RESPONSE and opcode in (_SUPPORTED, _ERROR) else Answer.OTHER


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


def require_free(address: str, port: int, within_seconds: float = 0.0) -> None:
    """Raise PortTaken, saying by what, unless a server could listen at `address:port` by then.

    A port that is taken is waited for `within_seconds`. LoopbackAddressMissing: there is no such address.
    """
    deadline = time.monotonic() + within_seconds
    while (error := listening_error(address, port)) is not None:
        if error.errno == errno.EADDRNOTAVAIL:
            raise LoopbackAddressMissing(address)
        if error.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
            answer = probe(address, port)
            by = Answer.OTHER if answer is Answer.NOTHING else answer
            raise PortTaken(f"{address}:{port}", by.value)
        time.sleep(0.1)


def free_storage_port(addresses: Sequence[str], cql_port: int) -> int:
    """Choose a port that is free on every address.

    The search starts at a place that depends on the CQL port, so that two clusters that start at the same
    moment do not choose the same.
    """
    for step in range(STORAGE_PORTS):
        port = FIRST_STORAGE_PORT + (cql_port - 9042 + step) % STORAGE_PORTS
        if port != cql_port and all(listening_error(address, port) is None for address in addresses):
            return port
    raise PortTaken(f"{addresses[0]}:{FIRST_STORAGE_PORT} and up", "other programs")


def require_memory(nodes: int, heap_mb: int) -> None:
    """Raise TooLittleMemory unless `nodes` more nodes fit into what is free."""
    needed_mb, free_mb = nodes * (heap_mb + BESIDE_HEAP_MB), available_memory_mb()
    if free_mb < needed_mb:
        said = f"need {needed_mb} MB of memory, {free_mb} MB are free"
        raise TooLittleMemory(f"{nodes} Cassandra node(s) {said}")


def require_disk(folder: Path, nodes: int) -> None:
    """Raise TooLittleDisk unless `folder` has room for `nodes`."""
    free_mb = shutil.disk_usage(folder).free // 10**6
    if free_mb < nodes * DISK_MB:
        said = f"{nodes * DISK_MB} MB of disk in {folder}, {free_mb} MB are free"
        raise TooLittleDisk(f"Cassandra needs {said}")


def available_memory_mb() -> int:
    """Return how much memory new processes can have: the machine's, or this container's if that is less."""
    available = psutil.virtual_memory().available
    control_group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # No control groups, or "max": no limit.
        limit = int((control_group / "memory.max").read_text())
        available = min(available, limit - int((control_group / "memory.current").read_text()))
    return int(available // 10**6)
