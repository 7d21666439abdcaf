import uuid
from collections.abc import Iterator

import pytest
from cassandra.cluster import Session

from poc.database.keyspaces import ensure_keyspace, replication_map
from poc.errors import KeyspaceReplicationDiffers


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


def test_keyspace_gets_the_replication_asked_for(session: Session, name: str) -> None:
    assert ensure_keyspace(session, name, replication_map(1, "datacenter1"))
    assert replication_of(session, name)["datacenter1"] == "1"


def test_second_time_changes_nothing(session: Session, name: str) -> None:
    ensure_keyspace(session, name, replication_map(1, "datacenter1"))
    assert not ensure_keyspace(session, name, replication_map(1, "datacenter1"))


def test_other_replication_is_reported_and_not_altered(session: Session, name: str) -> None:
    ensure_keyspace(session, name, replication_map(1, "datacenter1"))
    with pytest.raises(KeyspaceReplicationDiffers, match=name):
        ensure_keyspace(session, name, replication_map(3, "datacenter1"))
    assert replication_of(session, name)["datacenter1"] == "1"


def test_simple_strategy_with_as_many_copies_is_accepted(session: Session, name: str) -> None:
    session.execute(
        f"CREATE KEYSPACE {name} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    assert not ensure_keyspace(session, name, replication_map(1, "datacenter1"))
