from importlib.util import find_spec
from pathlib import Path

import pytest

from poc.comparison.methods import KNOWN, ON_REQUEST
from poc.comparison.stores import chosen_methods
from poc.errors import MethodsUnavailable
from poc.settings import Settings

ACSYLLA = tuple(name for name in KNOWN if "acsylla" in name)


@pytest.fixture
def settings(root: Path) -> Settings:
    return Settings(_env_file=None, feast_repo_path=root / "feature_repo")


@pytest.fixture
def rows(settings: Settings) -> Settings:
    yaml = settings.feast_repo_path / "stores/rows.yaml"
    return settings.model_copy(update={"feast_fs_yaml_file_path": yaml})


def test_all_ways_that_can_be_had_are_compared_without_names(settings: Settings) -> None:
    expected = [name for name in KNOWN if find_spec("acsylla") is not None or name not in ACSYLLA]
    expected = [name for name in expected if name not in ON_REQUEST]
    assert list(chosen_methods(settings, None)) == expected


def test_feature_server_is_compared_on_request(settings: Settings) -> None:
    assert chosen_methods(settings, ("feast-server",)) == ("direct-cassandra", "feast-server")


def test_baseline_comes_first_whatever_is_named(settings: Settings) -> None:
    names = chosen_methods(settings, ("feast-rows", "feast-stock"))
    assert names == ("direct-cassandra", "feast-stock", "feast-rows")


def test_project_on_the_row_store_has_no_stock_ways(rows: Settings) -> None:
    names = chosen_methods(rows, None)
    assert "feast-rows" in names
    assert not any(name.startswith("feast-stock") for name in names)


def test_way_that_cannot_be_had_is_refused_with_its_reason(rows: Settings) -> None:
    with pytest.raises(MethodsUnavailable, match="feast-stock: the yaml names the row store") as caught:
        chosen_methods(rows, ("feast-stock",))
    assert caught.value.exit_status == 2
