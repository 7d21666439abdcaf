"""The examples for BigQuery, Snowflake and Redshift load, in an environment that has their clients."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.definitions import ServedFeatures

STORES = ("bigquery", "snowflake", "redshift")
# Loads each yaml as Feast does, builds its parts, and runs the source that its comment shows.
LOAD = """
import json, re, sys
from pathlib import Path
from feast import FeatureStore
from feast.repo_config import FeastConfigError

loaded = {}
for path in map(Path, sys.argv[1:]):
    try:
        store = FeatureStore(repo_path="feature_repo", fs_yaml_file=path)
    except FeastConfigError as error:
        loaded[path.stem] = {"refused": str(error)}
        continue
    provider = store._get_provider()
    shown = {}
    exec("\\n".join(re.findall(r"^#     (.*)$", path.read_text(), flags=re.MULTILINE)), shown)
    source = shown["transaction_source"]
    loaded[path.stem] = {
        "config": json.loads(store.config.offline_store.model_dump_json(by_alias=True)),
        "parts": [
            type(part).__name__
            for part in (provider.offline_store, provider.online_store, provider.batch_engine, source)
        ],
        "columns": [source.timestamp_field, source.created_timestamp_column],
    }
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded(
    root: Path, copy_project: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What each example loads as, and one without a setting that is needed."""
    python = root / ".warehouses-venv/bin/python"
    assert python.is_file(), "run scripts/install_test_packages.sh"
    project = copy_project(tmp_path_factory.mktemp("warehouses") / "project")
    stores = project / "feature_repo/stores"
    incomplete = (stores / "redshift.yaml").read_text().replace("  region: eu-central-1\n", "")
    (stores / "incomplete.yaml").write_text(incomplete)
    variables = {f"SNOWFLAKE_{name}": f"the {name.lower()}" for name in ("ACCOUNT", "USER", "PASSWORD")}
    done = subprocess.run(
        [python, "-c", LOAD, *(stores / f"{name}.yaml" for name in (*STORES, "incomplete"))],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", STORES)
def test_example_loads_with_the_settings_it_states(root: Path, loaded: dict[str, Any], name: str) -> None:
    stated = yaml.safe_load((root / f"feature_repo/stores/{name}.yaml").read_text())["offline_store"]
    expected = {key: f"the {key}" if str(value).startswith("${") else value for key, value in stated.items()}
    assert {key: loaded[name]["config"][key] for key in stated} == expected


@pytest.mark.parametrize("name", STORES)
def test_example_names_its_store_ours_and_a_source_of_its_kind(loaded: dict[str, Any], name: str) -> None:
    offline, online, engine, source = loaded[name]["parts"]
    assert (offline.lower(), source.lower()) == (f"{name}offlinestore", f"{name}source")
    assert (online, engine) == ("CassandraRowOnlineStore", "ArrowMaterializationEngine")


@pytest.mark.parametrize("name", STORES)
def test_source_in_the_comment_has_the_times_of_features_py(
    loaded: dict[str, Any], name: str, definitions: ServedFeatures
) -> None:
    [view] = definitions.feature_sets
    assert loaded[name]["columns"] == [view.timestamp_column, view.created_timestamp_column]


def test_a_missing_setting_is_refused_by_its_name(loaded: dict[str, Any]) -> None:
    assert "region" in loaded["incomplete"]["refused"]


def test_bigquery_example_has_the_guides_block(root: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (root / "docs/guide.md").read_text(), flags=re.DOTALL)
    [guide] = [block for block in map(yaml.safe_load, blocks) if "bigquery" in str(block)]
    example = yaml.safe_load((root / "feature_repo/stores/bigquery.yaml").read_text())
    assert example["offline_store"] == guide["offline_store"]
