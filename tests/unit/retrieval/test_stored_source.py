"""Which driver a source takes for an event loop. What it then reads is the contract suite's."""

import asyncio

import pytest

from poc.errors import CassandraUnavailable, DriverNotInstalled
from poc.online_store import acsylla_writer
from poc.online_store.connection import ConnectionSettings
from poc.retrieval.stored_source import Driver, StoredFeatureSource


class NoReads:
    names = ("amount",)
    ttl = None
    read_async = None


def source(driver: Driver, port: int = 1) -> StoredFeatureSource:
    nowhere = ConnectionSettings(("127.0.0.1",), port, "", connect_timeout_seconds=0.5)
    return StoredFeatureSource(NoReads(), lambda: nowhere, driver=driver, timeout_seconds=0.5)


def use_loop(made: StoredFeatureSource) -> None:
    async def start() -> None:
        await asyncio.to_thread(made.use_loop, asyncio.get_running_loop())

    asyncio.run(start())


@pytest.fixture
def without_acsylla(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acsylla_writer, "acsylla_is_installed", lambda: False)


def test_demanded_driver_that_is_not_installed_is_named(without_acsylla: None) -> None:
    with pytest.raises(DriverNotInstalled, match="FEATURE_DRIVER asks for acsylla"):
        use_loop(source("acsylla"))


def test_without_acsylla_reads_stay_in_threads(without_acsylla: None) -> None:
    made = source("auto")
    use_loop(made)
    assert made.async_read is None


@pytest.mark.skipif(not acsylla_writer.acsylla_is_installed(), reason="acsylla is not installed")
def test_acsylla_that_cannot_connect_is_left_out_unless_it_is_demanded() -> None:
    made = source("auto")
    use_loop(made)
    assert made.async_read is None
    with pytest.raises(CassandraUnavailable, match=r"127\.0\.0\.1:1"):
        use_loop(source("acsylla"))
