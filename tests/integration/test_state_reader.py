"""Which nodes the state is asked of, on a real Cassandra."""

from pathlib import Path

import pytest
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host

from poc.database.endpoint import Endpoint
from poc.monitoring import reader as readers
from poc.monitoring.reader import CassandraStateReader, open_state_reader
from poc.settings import Settings

ROOT = Path(__file__).parents[2]
SILENT = "127.0.0.77"


@pytest.fixture
def reader(keyspace: str, cassandra: Endpoint, monkeypatch: pytest.MonkeyPatch) -> CassandraStateReader:
    monkeypatch.setattr(readers, "NODE_TIMEOUT_SECONDS", 2.0)
    opened = open_state_reader(
        Settings(
            _env_file=None,
            feast_repo_path=ROOT / "feature_repo",
            cassandra_hosts=cassandra.hosts[0],
            cassandra_port=cassandra.port,
            direct_keyspace=keyspace,
        )
    )
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("datacenter", "expected"),
    [("datacenter1", {SILENT: False}), ("elsewhere", {})],
    ids=["the server's", "another"],
)
def test_node_that_is_silent_is_told_of_where_it_is_in_the_server_s_datacenter(
    reader: CassandraStateReader, cassandra: Endpoint, datacenter: str, expected: dict[str, bool]
) -> None:
    """The ring tells the driver of every node; here it is told of one more."""
    host = Host(SILENT, SimpleConvictionPolicy)
    host.set_location_info(datacenter, "rack1")
    reader._session.cluster.metadata.add_or_return_host(host)
    assert reader.read().nodes == {cassandra.hosts[0]: True} | expected
