"""The C++ driver's session of a loop: where a read is given up while it connects, and where the loop ends."""

import asyncio
import subprocess
import sys

import psutil
import pytest

from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.connection import ConnectionSettings

pytest.importorskip("acsylla")

# In a process of its own: what stands still there holds the interpreter, and no time limit would fire.
GIVEN_UP = """
import asyncio, sys
from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.connection import ConnectionSettings

async def main():
    reads = AcsyllaReads(ConnectionSettings((sys.argv[1],), int(sys.argv[2])))
    cql = "SELECT release_version FROM system.local WHERE key = ?"
    for turns in range(1, 6):
        first = asyncio.ensure_future(reads.rows(cql, [("local",)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
    print(await reads.rows(cql, [("local",)]))

asyncio.run(main())
"""


def test_read_that_is_given_up_while_it_connects_leaves_the_next_one_an_answer(
    cassandra: ConnectionSettings,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GIVEN_UP, cassandra.hosts[0], str(cassandra.port)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[[(")


def connections(cassandra: ConnectionSettings) -> int:
    found = psutil.Process().net_connections("tcp")
    return sum(bool(one.raddr) and one.raddr.port == cassandra.port for one in found)


def test_session_ends_with_its_loop_and_not_when_somebody_lets_go_of_it(
    cassandra: ConnectionSettings,
) -> None:
    """Freed while it is open, it would be closed with the interpreter locked."""
    before = connections(cassandra)
    reads, kept = AcsyllaReads(cassandra), []

    async def read() -> None:
        kept.append(asyncio.get_running_loop())
        assert await reads.rows("SELECT key FROM system.local WHERE key = ?", [("local",)]) == [[("local",)]]
        assert connections(cassandra) > before

    for _ in range(2):
        asyncio.run(read())
        assert connections(cassandra) == before
    reads.close()
