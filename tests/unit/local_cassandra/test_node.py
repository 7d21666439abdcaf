import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poc.local_cassandra.cluster import ClusterFolder
from poc.local_cassandra.node import NodePlace


def pid(place: NodePlace) -> int | None:
    process = place.process()
    return None if process is None else process.pid


@pytest.mark.parametrize(
    "stale", ["", "not a number", "999999999", str(os.getpid())], ids=["empty", "words", "nobody", "own"]
)
def test_a_pid_file_that_is_not_of_this_node_counts_as_none(tmp_path: Path, stale: str) -> None:
    (place,) = ClusterFolder(tmp_path, 1).places
    place.folder.mkdir(parents=True)
    (place.folder / "pid").write_text(stale)
    assert pid(place) is None


def test_the_pid_of_a_process_with_this_node_s_arguments_counts(tmp_path: Path) -> None:
    (place,) = ClusterFolder(tmp_path, 1).places
    place.folder.mkdir(parents=True)
    sleeper = [sys.executable, "-c", "input()", f"@{place.folder / 'java.args'}"]
    with subprocess.Popen(sleeper, stdin=subprocess.PIPE) as process:
        (place.folder / "pid").write_text(str(process.pid))
        deadline = time.monotonic() + 10
        while pid(place) is None and time.monotonic() < deadline:
            time.sleep(0.02)  # A process that was started shows its arguments a moment later.
        assert pid(place) == process.pid
        # Somebody removed the file: `make clean` is not to take the data of what runs.
        (place.folder / "pid").unlink()
        assert pid(place) == process.pid
        process.kill()
    assert pid(place) is None


def test_the_nodes_have_equal_shares_of_the_ring(tmp_path: Path) -> None:
    tokens = [place.token for place in ClusterFolder(tmp_path, 4).places]
    assert tokens == [-(2**63), -(2**62), 0, 2**62]


def test_the_nodes_have_an_address_and_a_folder_each(tmp_path: Path) -> None:
    places = ClusterFolder(tmp_path, 3).places
    assert [place.address for place in places] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert [place.folder.name for place in places] == ["node1", "node2", "node3"]


def test_the_last_lines_are_those_of_the_start_without_java_s_own_warnings(tmp_path: Path) -> None:
    (place,) = ClusterFolder(tmp_path, 1).places
    (place.folder / "logs").mkdir(parents=True)
    (place.folder / "logs" / "output.log").write_text("WARNING: going away\n\nERROR no disk\n")
    assert place.last_words() == (["ERROR no disk"], place.folder / "logs")


def test_the_last_lines_are_those_of_the_log_where_nothing_was_printed(tmp_path: Path) -> None:
    (place,) = ClusterFolder(tmp_path, 1).places
    (place.folder / "logs").mkdir(parents=True)
    (place.folder / "logs" / "output.log").write_text("WARNING: going away\n")
    (place.folder / "logs" / "system.log").write_text("".join(f"INFO line {i}\n" for i in range(40)))
    assert place.last_words()[0][-1] == "INFO line 39"
