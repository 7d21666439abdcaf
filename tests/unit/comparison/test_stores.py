from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from poc.comparison.methods import KNOWN, ON_REQUEST
from poc.comparison.stores import chosen_methods
from poc.comparison.variants import configuration, open_configuration
from poc.errors import MethodsUnavailable
from poc.feature_store import open_feature_store
from poc.settings import Settings

ACSYLLA = tuple(name for name in KNOWN if "acsylla" in name)


def opened(root: Path, yaml: str) -> Any:
    repo = root / "feature_repo"
    return open_feature_store(
        Settings(_env_file=None, feast_repo_path=repo, feast_fs_yaml_file_path=repo / yaml)
    )


@pytest.fixture
def store(root: Path) -> Any:
    return opened(root, "feature_store.yaml")


@pytest.fixture
def rows(root: Path) -> Any:
    return opened(root, "stores/rows.yaml")


def test_all_ways_that_can_be_had_are_compared_without_names(store: Any) -> None:
    expected = [name for name in KNOWN if find_spec("acsylla") is not None or name not in ACSYLLA]
    assert list(chosen_methods(store, None)) == [name for name in expected if name not in ON_REQUEST]
    assert len(chosen_methods(store, None)) <= 6


def test_way_on_request_is_added_to_the_others(store: Any) -> None:
    assert set(chosen_methods(store, None, ["feast-server"])) == {
        *chosen_methods(store, None),
        "feast-server",
    }


def test_feature_server_is_compared_on_request(store: Any) -> None:
    assert chosen_methods(store, ("feast-server",)) == ("direct-cassandra", "feast-server")


def test_baseline_comes_first_whatever_is_named(store: Any) -> None:
    names = chosen_methods(store, ("feast-rows", "feast"))
    assert names == ("direct-cassandra", "feast", "feast-rows")


def test_project_on_the_row_store_has_one_feast_call(rows: Any) -> None:
    names = chosen_methods(rows, None)
    assert "feast" in names
    assert "feast-rows" not in names


def test_way_that_cannot_be_had_is_refused_with_its_reason(rows: Any, store: Any) -> None:
    with pytest.raises(MethodsUnavailable, match="feast-rows: the yaml names the row store") as caught:
        chosen_methods(rows, ("feast-rows",))
    assert caught.value.exit_status == 2
    local = open_configuration(configuration(store, provider="local"))
    with pytest.raises(MethodsUnavailable, match="feast-unresolved: the yaml names provider local"):
        chosen_methods(local, ("feast-unresolved",))
