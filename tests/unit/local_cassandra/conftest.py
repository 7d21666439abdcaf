"""Stand-ins for what cannot be started here: Docker, whose engine CI lacks, and servers elsewhere."""

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

SCRIPT = """#!/bin/sh
echo "$(basename "$0") $*, port $CASSANDRA_PORT" >> "{calls}"
case "$(basename "$0") $*" in
{cases}
esac
"""


class StandIn:
    """Programs that write down how they are called and end with the status that is given for a call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls_file = folder / "calls"

    def program(self, name: str, statuses: dict[str, int], prints: dict[str, str] | None = None) -> None:
        """Make `name`: a call that begins with a key ends with its status, any other with 0."""
        cases = [f'  "{call}"*) echo "{text}" ;;' for call, text in (prints or {}).items()]
        cases += [f'  "{call}"*) exit {status} ;;' for call, status in statuses.items()]
        path = self.folder / name
        path.write_text(SCRIPT.format(calls=self.calls_file, cases="\n".join(cases)))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines() if self.calls_file.exists() else []


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """PATH without Docker, and a way to put programs on it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "basename"):
        (folder / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CASSANDRA_PORT", raising=False)
    return StandIn(folder)


@pytest.fixture
def cql_port() -> Iterator[int]:
    """The port of a server that answers CQL's OPTIONS, as far as a probe asks."""
    supported = bytes([0x84, 0, 0, 0, 0x06, 0, 0, 0, 2, 0, 0])
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(100)
                        connection.sendall(supported)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
