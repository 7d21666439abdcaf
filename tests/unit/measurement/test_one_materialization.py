from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from poc.definitions import ServedFeatures
from poc.errors import InvalidDefinitions
from poc.feature_store import open_feature_store
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
    assert NOW - timedelta(days=20) <= min(moments) < max(moments) < NOW
    assert set(definitions.names) <= set(table.column_names)


def test_data_that_lies_elsewhere_is_not_written_over(definitions: ServedFeatures, tmp_path: Path) -> None:
    own = tmp_path / "own.parquet"
    own.write_text("precious")
    [view] = definitions.views
    elsewhere = replace(view, definitions=replace(view.definitions, source_path=own))
    with pytest.raises(InvalidDefinitions, match="path is relative"):
        write_sources(replace(definitions, views=(elsewhere,)), 5, tmp_path / "bench", NOW)
    assert own.read_text() == "precious"


def test_repository_has_the_store_engine_and_registry_that_were_asked_for(root: Path, tmp_path: Path) -> None:
    store = open_feature_store(Settings(_env_file=None, feast_repo_path=root / "feature_repo"))
    block = cassandra_block(ConnectionSettings(("10.0.0.1",), 9999), "cassandra", "own")
    repo = make_repo(store, tmp_path / "repo", block, {"type": "local"})
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
