import os
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from feast import Entity, FeatureStore, RepoConfig

from poc.online_store import provider  # noqa: F401 - what installs it.
from poc.online_store.registry_file import as_it_is_now, refresh, write_whole


def open_store(folder: Path) -> FeatureStore:
    return FeatureStore(
        config=RepoConfig(
            project="poc",
            provider="poc.online_store.provider.ResolvingProvider",
            registry={"path": str(folder / "registry.db"), "cache_ttl_seconds": 1},
            offline_store={"type": "file"},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=2,
        )
    )


def test_who_reads_while_it_is_written_sees_all_of_it_and_writes_nothing_over_it(tmp_path: Path) -> None:
    writing, reading = open_store(tmp_path), open_store(tmp_path)
    writing.registry.apply_entity(Entity(name="first", join_keys=["first"]), "poc")
    stop, lacking, failures = threading.Event(), [0], []

    def read() -> None:
        try:
            while not stop.is_set():
                reading.refresh_registry()
                lacking[0] += "first" not in [entity.name for entity in reading.list_entities()]
        except Exception as error:
            failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        writing.registry.apply_entity(
            Entity(name=f"e{number}", join_keys=["id"], description="x" * 999), "poc"
        )
    stop.set()
    reader.join()
    assert failures == []
    assert lacking == [0]
    assert len(open_store(tmp_path).list_entities()) == 201


def test_reading_again_writes_nothing_also_where_the_file_was_emptied(tmp_path: Path) -> None:
    registry = open_store(tmp_path).registry
    registry.apply_entity(Entity(name="first", join_keys=["first"]), "poc")
    (tmp_path / "registry.db").write_bytes(b"")
    as_it_is_now(registry, "poc")
    assert [entity.name for entity in registry.list_entities("poc", allow_cache=True)] == ["first"]
    refresh(registry, "poc")
    assert (tmp_path / "registry.db").read_bytes() == b""


def test_a_file_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "registry.db"
    write_whole(path, b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"after")
    assert path.read_bytes() == b"before"
    assert [item.name for item in tmp_path.iterdir()] == ["registry.db"]


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"before")
    path.chmod(0o640)
    write_whole(path, b"after")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes() == b"after"


def test_each_write_has_a_version_of_its_own_and_the_time_that_it_was_made_at(tmp_path: Path) -> None:
    registry = open_store(tmp_path).registry
    versions = set()
    for number in range(3):
        registry.apply_entity(Entity(name=f"e{number}", join_keys=["id"]), "poc")
        written = registry.proto()
        versions.add(written.version_id)
        age = datetime.utcnow() - written.last_updated.ToDatetime()  # noqa: DTZ003 - as Feast writes it.
        assert timedelta(0) <= age < timedelta(minutes=1)
    assert len(versions) == 3


def test_folder_of_the_registry_is_made_and_a_link_stays_one(tmp_path: Path) -> None:
    open_store(tmp_path / "new").registry.apply_entity(Entity(name="first", join_keys=["first"]), "poc")
    elsewhere = tmp_path / "linked"
    elsewhere.mkdir()
    (elsewhere / "registry.db").symlink_to(tmp_path / "new" / "registry.db")
    open_store(elsewhere).registry.apply_entity(Entity(name="second", join_keys=["second"]), "poc")
    assert (elsewhere / "registry.db").is_symlink()
    found = open_store(tmp_path / "new").list_entities()
    assert {entity.name for entity in found} >= {"first", "second"}
