from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from poc.benchmarks.records import make_repo, write_records
from poc.database.endpoint import Endpoint
from poc.definitions import FeatureSet
from poc.settings import Settings

NOW = datetime(2026, 1, 31, tzinfo=timezone.utc)


def test_records_are_one_a_transaction_within_twenty_days(definitions: FeatureSet, tmp_path: Path) -> None:
    path = tmp_path / "data" / "records.parquet"
    write_records(definitions, 500, path, NOW)
    table = pq.read_table(path)
    assert len(set(table[definitions.join_key].to_pylist())) == table.num_rows == 500
    moments = table[definitions.timestamp_column].to_pylist()
    assert NOW - timedelta(days=20) <= min(moments) < max(moments) < NOW
    assert set(definitions.names) <= set(table.column_names)


def test_repository_has_the_store_engine_and_registry_that_were_asked_for(root: Path, tmp_path: Path) -> None:
    settings = Settings(_env_file=None, feast_repo_path=root / "feature_repo")
    endpoint = Endpoint(("10.0.0.1",), 9999)
    repo = make_repo(settings, tmp_path / "repo", endpoint, "own", "cassandra", {"type": "local"})
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
