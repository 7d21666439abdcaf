"""What a machine must offer before a node starts: free ports, memory and disk.

Each `require_...` returns when all is well and raises the error that says what to do otherwise.
"""

import errno
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from poc.database.probe import Answer, listening_error, probe
from poc.errors import LoopbackAddressMissing, PortTaken, TooLittleDisk, TooLittleMemory

FIRST_STORAGE_PORT = 7000
STORAGE_PORTS = 1000
# Code, threads and off-heap memtables. Measured with a heap of 512 MB: 640 MB in all after a start, 740 MB
# after 90,000 written rows; the rest is for a heap that has filled up.
BESIDE_HEAP_MB = 400
# Its commit log alone may grow to 256 MB before the data has to.
DISK_MB = 500


def is_free(address: str, port: int) -> bool:
    """Tell whether a server could listen there; LoopbackAddressMissing where there is no such address."""
    error = listening_error(address, port)
    if error is not None and error.errno == errno.EADDRNOTAVAIL:
        raise LoopbackAddressMissing(address)
    return error is None


def require_free(address: str, port: int) -> None:
    """Raise PortTaken, saying by what, unless `address:port` is free."""
    if not is_free(address, port):
        answer = probe(address, port)
        raise PortTaken(f"{address}:{port}", Answer.OTHER.value if answer is Answer.NOTHING else answer.value)


def free_storage_port(addresses: Sequence[str], cql_port: int) -> int:
    """Choose a port that is free on every address.

    The search starts at a place that depends on the CQL port, so that two clusters that start at the same
    moment do not choose the same.
    """
    for step in range(STORAGE_PORTS):
        port = FIRST_STORAGE_PORT + (cql_port - 9042 + step) % STORAGE_PORTS
        if port != cql_port and all(is_free(address, port) for address in addresses):
            return port
    raise PortTaken(f"{addresses[0]}:{FIRST_STORAGE_PORT} and up", "other programs")


def require_memory(nodes: int, heap_mb: int, available_mb: int | None = None) -> None:
    """Raise TooLittleMemory unless `nodes` more nodes fit into `available_mb`, by default what is free."""
    needed_mb = nodes * (heap_mb + BESIDE_HEAP_MB)
    free_mb = available_memory_mb() if available_mb is None else available_mb
    if free_mb < needed_mb:
        raise TooLittleMemory(nodes, needed_mb, free_mb)


def require_disk(folder: Path, nodes: int, free_mb: int | None = None) -> None:
    """Raise TooLittleDisk unless `folder` has room for `nodes`, by default on what is free now."""
    if free_mb is None:
        free_mb = shutil.disk_usage(folder).free // 10**6
    if free_mb < nodes * DISK_MB:
        raise TooLittleDisk(folder, nodes * DISK_MB, free_mb)


def available_memory_mb() -> int:
    """Tell how much memory new processes can have: the machine's, or this container's where that is less."""
    available = psutil.virtual_memory().available
    control_group = Path("/sys/fs/cgroup")
    with suppress(OSError, ValueError):  # No control groups, or "max": no limit.
        limit = int((control_group / "memory.max").read_text())
        used = int((control_group / "memory.current").read_text())
        available = min(available, limit - used)
    return int(available // 10**6)
