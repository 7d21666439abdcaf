from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from poc.definitions import FeatureSet, read_definitions, read_repo_yaml, read_served_definitions
from poc.errors import InvalidDefinitions, NotInProjectFolder
from poc.settings import Settings


@pytest.fixture
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Settings]:
    """Replaces text in features.py of a copy of the project, and works in that copy."""
    monkeypatch.chdir(project)

    def edit(old: str, new: str) -> Settings:
        path = Path("feature_repo/features.py")
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return Settings()

    return edit


def test_features_are_those_declared_in_their_order(definitions: FeatureSet) -> None:
    assert definitions.names[:3] == ("amount", "transaction_hour", "merchant_category")
    assert len(definitions.names) == 8


def test_join_key_is_not_a_feature(definitions: FeatureSet) -> None:
    assert definitions.join_key == "transaction_id"
    assert definitions.join_key not in definitions.names


def test_ttl_and_columns_of_time_come_from_the_view(definitions: FeatureSet) -> None:
    assert definitions.ttl == timedelta(days=30)
    assert (definitions.timestamp_column, definitions.created_timestamp_column) == (
        "timestamp",
        "created_timestamp",
    )


def test_every_feature_says_what_it_means(definitions: FeatureSet) -> None:
    assert [feature.name for feature in definitions.features if not feature.description] == []


def test_served_are_those_that_the_service_takes(in_project: Callable[[str, str], Settings]) -> None:
    chosen = 'features=[transaction_features[["transaction_hour", "amount"]]]'
    settings = in_project("features=[transaction_features]", chosen)
    assert read_served_definitions(settings).names == ("amount", "transaction_hour")
    assert len(read_definitions(settings).names) == 8


def test_error_in_features_py_is_named(in_project: Callable[[str, str], Settings]) -> None:
    with pytest.raises(InvalidDefinitions, match="SyntaxError"):
        read_definitions(in_project("transaction = Entity(", "transaction = = Entity("))


def test_unknown_service_names_those_there_are(in_project: Callable[[str, str], Settings]) -> None:
    with pytest.raises(InvalidDefinitions, match="it has: fraud_detection_v2"):
        read_definitions(in_project('name="fraud_detection_v1"', 'name="fraud_detection_v2"'))


def test_other_folder_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotInProjectFolder, match="FEAST_REPO_PATH"):
        read_definitions(Settings())


def test_yaml_replaces_variables_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "store.yaml"
    path.write_text("online_store: {username: '${STORE_USER}'}")
    monkeypatch.setenv("STORE_USER", "feast")
    read = read_repo_yaml(Settings(feast_fs_yaml_file_path=path))
    assert read["online_store"]["username"] == "feast"


@pytest.mark.parametrize("text", ["a: [", "- 1", ""])
def test_yaml_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "store.yaml"
    path.write_text(text)
    with pytest.raises(InvalidDefinitions, match=r"store\.yaml"):
        read_repo_yaml(Settings(feast_fs_yaml_file_path=path))
