import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from poc.errors import LoopbackAddressMissing, PortTaken, TooLittleDisk, TooLittleMemory
from poc.local_cassandra.machine import (
    available_memory_mb,
    free_storage_port,
    require_disk,
    require_free,
    require_memory,
)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that a program which does not speak CQL listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_somebody_listens_on_is_refused_naming_it(taken: int) -> None:
    with pytest.raises(PortTaken, match=f"127.0.0.1:{taken} is taken by a program that does not speak CQL"):
        require_free("127.0.0.1", taken)


def test_a_port_is_free_again_as_soon_as_its_server_is_gone(taken: int) -> None:
    with socket.create_server(("127.0.0.2", taken)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, _ = server.accept()
        accepted.close()  # The server hangs up first: its end stays in TIME_WAIT for a minute.
        client.close()
    require_free("127.0.0.2", taken)


def test_a_port_that_a_dying_process_still_holds_is_waited_for() -> None:
    dying = socket.create_server(("127.0.0.2", 0))
    threading.Timer(0.3, dying.close).start()
    require_free(*dying.getsockname(), within_seconds=20)


def test_a_port_that_is_not_let_go_in_time_is_refused(taken: int) -> None:
    with pytest.raises(PortTaken, match="a program that does not speak CQL"):
        require_free("127.0.0.1", taken, within_seconds=0.2)


def test_an_address_that_the_machine_lacks_is_an_error_that_says_so() -> None:
    with pytest.raises(LoopbackAddressMissing, match=r"192\.0\.2\.1"):
        require_free("192.0.2.1", 9042)


def test_the_storage_port_is_one_that_is_free_on_every_address() -> None:
    first = free_storage_port(["127.0.0.1", "127.0.0.2"], 9742)
    with socket.create_server(("127.0.0.2", first)):
        assert free_storage_port(["127.0.0.1", "127.0.0.2"], 9742) != first


def test_two_clusters_that_start_together_look_for_storage_ports_at_different_places() -> None:
    assert free_storage_port(["127.0.0.1"], 9742) != free_storage_port(["127.0.0.1"], 9743)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("poc.local_cassandra.machine.available_memory_mb", lambda: 2000)


@pytest.mark.usefixtures("little_memory")
def test_more_nodes_than_fit_into_memory_are_refused_with_both_numbers() -> None:
    with pytest.raises(TooLittleMemory, match=r"3 .* need 2736 MB of memory, 2000 MB are free"):
        require_memory(3, 512)


@pytest.mark.usefixtures("little_memory")
def test_nodes_that_fit_into_memory_are_not_refused() -> None:
    require_memory(2, 512)


def test_the_memory_that_is_free_is_less_than_the_machine_has() -> None:
    import psutil

    assert 0 < available_memory_mb() < psutil.virtual_memory().total / 10**6


def test_a_full_disk_is_refused_naming_the_folder(tmp_path: Path) -> None:
    with pytest.raises(
        TooLittleDisk, match=rf"needs {10**9 * 500} MB of disk in {tmp_path}, \d+ MB are free"
    ):
        require_disk(tmp_path, 10**9)
