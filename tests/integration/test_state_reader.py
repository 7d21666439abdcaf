"""What the state is read from, and which nodes it is asked of, on a real Cassandra."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host
from own_sessions import apply_definitions
from second_repository import VIEWS, write_second_repository

from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.attempts import recorded_attempt
from poc.materialization.plan import RunOptions
from poc.materialization.run import run_materialization
from poc.monitoring import state as readers
from poc.monitoring.state import StateReader, open_state_reader
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import FeaturesNotApplied, NoCassandra
from poc.online_store.session import SCHEMA, Session
from poc.settings import Settings

SILENT = "127.0.0.77"


@pytest.fixture
def settings(
    tmp_path: Path, cassandra: ConnectionSettings, keyspace: str, session: Session
) -> Iterator[Settings]:
    """Three views of one service; nothing is applied yet."""
    repository = write_second_repository(
        tmp_path / "feature_repo", hosts=cassandra.hosts, port=cassandra.port, keyspace=keyspace
    )
    settings = repository.settings(direct_keyspace=f"{keyspace}_direct")
    yield settings
    session.execute(f"DROP KEYSPACE IF EXISTS {settings.direct_keyspace}", execution_profile=SCHEMA)


@pytest.fixture
def reader(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[StateReader]:
    monkeypatch.setattr(readers, "NODE_TIMEOUT_SECONDS", 2.0)
    opened = open_state_reader(settings)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("datacenter", "expected"),
    [("datacenter1", {SILENT: False}), ("elsewhere", {})],
    ids=["the server's", "another"],
)
def test_node_that_is_silent_is_told_of_where_it_is_in_the_server_s_datacenter(
    settings: Settings,
    reader: StateReader,
    cassandra: ConnectionSettings,
    datacenter: str,
    expected: dict[str, bool],
) -> None:
    """The ring tells the driver of every node; here it is told of one more."""
    apply_definitions(settings)
    host = Host(SILENT, SimpleConvictionPolicy)
    host.set_location_info(datacenter, "rack1")
    reader._session.cluster.metadata.add_or_return_host(host)
    assert reader.read().nodes == {cassandra.hosts[0]: True} | expected


def test_node_that_refuses_to_tell_its_sizes_answers(
    settings: Settings,
    reader: StateReader,
    cassandra: ConnectionSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apply_definitions(settings)
    # What Cassandra 3.11 says of the table that there is: it has none.
    monkeypatch.setattr(readers, "_USAGE", readers._USAGE.replace("system_views", "unknown_views"))
    state = reader.read()
    assert (state.nodes, state.size_bytes) == ({cassandra.hosts[0]: True}, {})


def test_state_is_that_of_every_view_once_they_are_applied_and_filled(
    settings: Settings, reader: StateReader, session: Session, keyspace: str
) -> None:
    with pytest.raises(FeaturesNotApplied):
        reader.read()
    apply_definitions(settings)
    before = reader.read()
    assert [(view.feature_view, view.last_run) for view in before.views] == [(name, None) for name in VIEWS]
    assert {view.ttl for view in before.views} == {timedelta(days=30)}

    store = open_feature_store(settings)
    with recorded_attempt(settings, store, session, lambda line: None):
        run_materialization(settings, store, session, RunOptions(), lambda view, window: None)
    close_feature_store(store)

    state = reader.read()
    assert state.online_store.endswith("CassandraRowOnlineStore")
    assert [(view.last_run.transactions, view.attempts.recent[0].succeeded) for view in state.views] == [
        (400, True),
        (12, True),
        (60, True),
    ]
    counts = [(place, table.partition("__")[2], count) for (place, table), count in state.entities.items()]
    entities = dict(zip(VIEWS, (400, 12, 60), strict=True))
    assert counts == [
        (place, table, entities[name])
        for name in VIEWS
        for place, table in ((keyspace, f"{name}__g1"), (settings.direct_keyspace, f"{name}__direct"))
    ]


def test_store_that_is_kept_elsewhere_has_no_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CASSANDRA_HOSTS", raising=False)
    sqlite: dict[str, Any] = {"online_store": {"type": "sqlite", "path": str(tmp_path / "online.db")}}
    repository = write_second_repository(tmp_path / "feature_repo", provider="local", blocks=sqlite)
    with pytest.raises(NoCassandra):
        open_state_reader(repository.settings())
