import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from poc.errors import ReplicationDiffers
from poc.online_store.connection import ConnectionSettings
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import Session


@pytest.fixture
def name(session: Session) -> Iterator[str]:
    unique = f"test_{uuid.uuid4().hex[:12]}"
    yield unique
    session.execute(f"DROP KEYSPACE IF EXISTS {unique}", timeout=60)


def replication_of(session: Session, name: str) -> dict[str, str]:
    found = session.execute(
        "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s", (name,)
    ).one()
    return dict(found.replication)


def test_keyspace_gets_one_copy_where_nothing_is_stated(
    session: Session, cassandra: ConnectionSettings, name: str
) -> None:
    assert ensure_keyspace(session, cassandra, name)
    assert replication_of(session, name)["datacenter1"] == "1"


@pytest.mark.parametrize("stated", [{"replication": {"datacenter1": 3}}, {"replication_factor": 3}], ids=str)
def test_keyspace_gets_the_copies_that_are_stated(
    session: Session, cassandra: ConnectionSettings, name: str, stated: dict[str, object]
) -> None:
    settings = replace(cassandra, **stated)
    assert ensure_keyspace(session, settings, name)
    assert replication_of(session, name)["datacenter1"] == "3"
    assert not ensure_keyspace(session, settings, name)


def test_second_time_changes_nothing(session: Session, cassandra: ConnectionSettings, name: str) -> None:
    ensure_keyspace(session, cassandra, name)
    assert not ensure_keyspace(session, cassandra, name)


def test_other_replication_is_reported_and_not_altered(
    session: Session, cassandra: ConnectionSettings, name: str
) -> None:
    ensure_keyspace(session, cassandra, name)
    with pytest.raises(ReplicationDiffers, match=name):
        ensure_keyspace(session, replace(cassandra, replication_factor=3), name)
    assert replication_of(session, name)["datacenter1"] == "1"


def test_keyspace_that_is_there_is_used_as_it_is(
    session: Session, cassandra: ConnectionSettings, name: str
) -> None:
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 2}}"
    )
    assert not ensure_keyspace(session, cassandra, name)


def test_simple_strategy_with_as_many_copies_is_accepted(
    session: Session, cassandra: ConnectionSettings, name: str
) -> None:
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    assert not ensure_keyspace(session, replace(cassandra, replication_factor=1), name)
