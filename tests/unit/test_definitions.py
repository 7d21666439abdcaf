import re
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from feast import FeatureStore, RepoConfig
from feast.types import Int64, String

from poc.definitions import JoinKey, ServedFeatures, applied_feature_set
from poc.errors import FeaturesNotApplied, InvalidDefinitions, NotInProjectFolder
from poc.repository import declared_service
from poc.settings import Settings

Edit = Callable[..., Settings]


@pytest.fixture
def in_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Edit:
    """Replaces texts in features.py of a copy of the project, and works in that copy, which has no data."""
    monkeypatch.chdir(project)

    def edit(*changes: tuple[str, str]) -> Settings:
        path = Path("feature_repo/features.py")
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        path.write_text(text)
        return Settings(_env_file=None)

    return edit


def test_features_are_those_declared_in_their_order(definitions: ServedFeatures) -> None:
    text = Path("feature_repo/features.py").read_text()
    declared = [name for name in re.findall(r'Field\(\s*name="(\w+)"', text) if name != "transaction_id"]
    assert definitions.names[:3] == ("amount", "transaction_hour", "merchant_category")
    assert list(definitions.names) == declared


def test_join_key_is_not_a_feature(definitions: ServedFeatures) -> None:
    assert definitions.join_keys == (JoinKey("transaction_id", String),)
    assert "transaction_id" not in definitions.names


def test_ttl_and_columns_of_time_come_from_the_view(definitions: ServedFeatures) -> None:
    (view,) = definitions.feature_sets
    assert view.ttl == timedelta(days=30)
    assert (view.timestamp_column, view.created_timestamp_column) == ("timestamp", "created_timestamp")


def test_every_feature_says_what_it_means(definitions: ServedFeatures) -> None:
    assert [feature.name for feature in definitions.features if not feature.description] == []


def test_served_are_those_that_the_service_takes(in_project: Edit, definitions: ServedFeatures) -> None:
    chosen = 'features=[transaction_features[["transaction_hour", "amount"]]]'
    served = declared_service(in_project(("features=[transaction_features]", chosen)))
    assert served.names == ("amount", "transaction_hour")
    assert served.feature_sets[0].names == definitions.names


def test_join_key_need_not_be_repeated_in_the_schema(in_project: Edit) -> None:
    left_out = ('        Field(name="transaction_id", dtype=String),\n', "")
    assert declared_service(in_project(left_out)).join_keys == (JoinKey("transaction_id", String),)


def test_join_key_is_of_its_entity_s_type(in_project: Edit) -> None:
    left_out = ('        Field(name="transaction_id", dtype=String),\n', "")
    served = declared_service(in_project(left_out, ("ValueType.STRING", "ValueType.INT64")))
    assert served.join_keys == (JoinKey("transaction_id", Int64),)


def test_renamed_column_is_known_by_both_its_names(in_project: Edit) -> None:
    timestamps = '    timestamp_field="timestamp",\n'
    mapped = (timestamps, timestamps + '    field_mapping={"amt": "amount"},\n')
    (view,) = declared_service(in_project(mapped)).feature_sets
    assert (view.column("amount"), view.column("merchant_category")) == ("amt", "merchant_category")


def test_renamed_timestamp_is_refused_where_it_is_stated_by_the_sources_name(in_project: Edit) -> None:
    timestamps = '    timestamp_field="timestamp",\n'
    mapped = (timestamps, timestamps + '    field_mapping={"timestamp": "moment"},\n')
    with pytest.raises(InvalidDefinitions, match="renames its timestamp to moment"):
        declared_service(in_project(mapped))
    stated = '    timestamp_field="moment",\n'
    (view,) = declared_service(in_project((timestamps, stated))).feature_sets
    assert view.timestamp_column == "timestamp"


def test_definitions_may_be_in_several_files_that_import_each_other(
    in_project: Edit, definitions: ServedFeatures
) -> None:
    settings = in_project(('OWNER = "fraud-platform@example.com"', "from owners import OWNER"))
    Path("feature_repo/owners.py").write_text('OWNER = "fraud-platform@example.com"\n')
    assert declared_service(settings).names == definitions.names


def test_source_in_a_bucket_is_refused_by_its_name(in_project: Edit) -> None:
    bucket = "s3://bucket/credit_card_fraud_10k.parquet"
    with pytest.raises(InvalidDefinitions, match=bucket):
        declared_service(in_project(("data/credit_card_fraud_10k.parquet", bucket)))


def test_view_that_is_computed_on_demand_is_refused_by_its_name(in_project: Edit) -> None:
    service = "fraud_detection_v1 = FeatureService("
    on_demand = f"""
from feast.on_demand_feature_view import on_demand_feature_view

@on_demand_feature_view(sources=[transaction_features], schema=[Field(name="doubled", dtype=Float64)])
def doubled_amount(inputs):
    return inputs[["amount"]].rename(columns={{"amount": "doubled"}}) * 2

{service}"""
    taken = ("features=[transaction_features]", "features=[transaction_features, doubled_amount]")
    with pytest.raises(InvalidDefinitions, match="doubled_amount, which is computed on demand"):
        declared_service(in_project((service, on_demand), taken))


def test_feature_of_two_views_is_refused_by_its_name(in_project: Edit) -> None:
    service = "fraud_detection_v1 = FeatureService("
    second = f"""
again = FeatureView(
    name="again",
    entities=[transaction],
    schema=[Field(name="amount", dtype=Float64)],
    source=transaction_source,
)

{service}"""
    taken = ("features=[transaction_features]", "features=[transaction_features, again]")
    with pytest.raises(InvalidDefinitions, match="amount of more than one view"):
        declared_service(in_project((service, second), taken))


def test_error_in_features_py_is_named(in_project: Edit) -> None:
    with pytest.raises(InvalidDefinitions, match="SyntaxError"):
        declared_service(in_project(("transaction = Entity(", "transaction = = Entity(")))


def test_unknown_service_names_those_there_are(in_project: Edit) -> None:
    with pytest.raises(InvalidDefinitions, match="it has: fraud_detection_v2"):
        declared_service(in_project(('name="fraud_detection_v1"', 'name="fraud_detection_v2"')))


def test_other_folder_says_where_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotInProjectFolder, match="FEAST_REPO_PATH"):
        declared_service(Settings(_env_file=None))


def test_view_of_a_registry_that_is_gone_is_told_as_not_applied(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    store = FeatureStore(
        config=RepoConfig(
            project="own",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
            entity_key_serialization_version=2,
        )
    )
    shutil.rmtree(folder)
    folder.write_text("in its place")
    with pytest.raises(FeaturesNotApplied, match="no feature view 'things'"):
        applied_feature_set(store, "things")
