from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from poc.definitions import ServedFeatures
from poc.errors import InvalidDefinitions
from poc.feature_store import open_feature_store
from poc.measurement import one_materialization
from poc.measurement.one_materialization import cassandra_block, make_repo, write_sources
from poc.measurement.place import ROW_STORE
from poc.online_store.connection import ConnectionSettings, TlsFiles
from poc.settings import Settings

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


def test_records_are_one_a_transaction_within_twenty_days(
    definitions: ServedFeatures, tmp_path: Path
) -> None:
    [path] = write_sources(definitions, 500, tmp_path, NOW)
    [view] = definitions.feature_sets
    assert path == tmp_path / view.source_path
    table = pq.read_table(path)
    assert len(set(table[definitions.key_names[0]].to_pylist())) == table.num_rows == 500
    moments = table[view.timestamp_column].to_pylist()
    assert (min(moments), max(moments)) == (NOW - timedelta(days=20), NOW - timedelta(seconds=1))
    own_times = {view.timestamp_column, view.created_timestamp_column}
    assert set(table.column_names) == {*definitions.key_names, *definitions.names, *own_times, "is_fraud"}


def test_records_end_now_unless_told_otherwise(definitions: ServedFeatures, tmp_path: Path) -> None:
    [path] = write_sources(definitions, 2, tmp_path)
    [view] = definitions.feature_sets
    newest = max(pq.read_table(path)[view.timestamp_column].to_pylist())
    assert timedelta(0) < datetime.now(timezone.utc) - newest < timedelta(minutes=1)


def test_records_are_written_to_a_folder_that_is_made_in_groups_and_again_over_those_before(
    definitions: ServedFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_materialization, "ROW_GROUP", 100)
    for rows, groups in ((500, 5), (201, 3)):
        [path] = write_sources(definitions, rows, tmp_path / "not" / "there", NOW)
        assert pq.ParquetFile(path).num_row_groups == groups


def test_data_that_lies_elsewhere_is_not_written_over(definitions: ServedFeatures, tmp_path: Path) -> None:
    own = tmp_path / "own.parquet"
    own.write_text("precious")
    [view] = definitions.views
    elsewhere = replace(view, definitions=replace(view.definitions, source_path=own))
    said = r"repository.*views with one join key, a text, and a source whose path is relative$"
    with pytest.raises(InvalidDefinitions, match=f"(?m){said}"):
        write_sources(replace(definitions, views=(elsewhere,)), 5, tmp_path / "bench", NOW)
    assert own.read_text() == "precious"


def test_repository_has_the_store_engine_and_registry_that_were_asked_for(root: Path, tmp_path: Path) -> None:
    store = open_feature_store(Settings(_env_file=None, feast_repo_path=root / "feature_repo"))
    block = cassandra_block(ConnectionSettings(("10.0.0.1",), 9999), "cassandra", "own")
    for _ in range(2):  # The second over the first.
        repo = make_repo(store, tmp_path / "own" / "repo", block, {"type": "local"})
    content = yaml.safe_load((repo / "feature_store.yaml").read_text())
    assert content["online_store"] == {
        "type": "cassandra",
        "hosts": ["10.0.0.1"],
        "port": 9999,
        "keyspace": "own",
    }
    assert content["batch_engine"] == {"type": "local"}
    assert Path(content["registry"]).parent == repo
    assert (repo / "features.py").read_text() == (root / "feature_repo/features.py").read_text()


def test_login_and_certificates_of_the_connection_are_in_the_block() -> None:
    connection = ConnectionSettings(("a",), username="u", password="p", tls=TlsFiles("/ca.pem"))
    block = cassandra_block(connection, ROW_STORE, "own")
    assert (block["username"], block["password"], block["tls"]["ca"]) == ("u", "p", "/ca.pem")


def test_block_names_certificates_where_the_store_knows_them_and_there_are_some() -> None:
    encrypted = ConnectionSettings(("a",), tls=TlsFiles("/ca.pem"))
    assert "tls" not in cassandra_block(encrypted, "cassandra", "own")
    assert "tls" not in cassandra_block(ConnectionSettings(("a",)), ROW_STORE, "own")
