from pathlib import Path
from typing import Any

from second_repository import write_second_repository

from poc.pages.registry import declared_features_page, features_page

AMOUNT = 'tags={"min": "0"}'


def test_page_says_of_each_feature_what_it_means_and_may_be(registered: Any) -> None:
    with registered() as store:
        page = features_page(store)

    hour = next(line for line in page.splitlines() if line.startswith("| `transaction_hour`"))
    cells = [cell.strip() for cell in hour.strip("|").split("|")]
    assert cells[:4] == ["`transaction_hour`", "Int64", "0 to 23", "Hour of the day of the payment, UTC."]
    assert cells[-1] == "fraud_detection"


def test_page_names_owner_ttl_source_and_tags_of_the_view(registered: Any) -> None:
    with registered() as store:
        page = features_page(store)

    assert "| owner | fraud-platform@example.com |" in page
    assert "| fresh for | 30 days |" in page
    assert "`data/credit_card_fraud_10k.parquet`, event time `timestamp`" in page
    assert "| tags | team=fraud |" in page


def test_feature_that_no_service_takes_is_used_by_none(registered: Any) -> None:
    with registered(
        "features=[transaction_features]", "features=[transaction_features[['amount']]]"
    ) as store:
        page = features_page(store)

    rows = [line for line in page.splitlines() if line.startswith("| `") and "Int64" in line]
    assert rows and all(row.endswith("|  |") for row in rows)


def test_lineage_leads_from_the_source_to_the_model(registered: Any) -> None:
    with registered() as store:
        page = features_page(store)

    chart = page.split("```mermaid\n")[1].split("```")[0]
    names = dict(line.strip().rstrip('"]').split('["') for line in chart.splitlines() if "[" in line)
    arrows = [line.strip().split(" --> ") for line in chart.splitlines() if "-->" in line]
    assert [(names[start], names[end]) for start, end in arrows] == [
        ("transaction_source", "transaction_features"),
        ("transaction_features", "fraud_detection_v1"),
        ("fraud_detection_v1", "model fraud_detection"),
    ]


def test_bar_in_a_description_does_not_break_the_table(registered: Any) -> None:
    with registered("What the merchant sells.", "What | sells.") as store:
        page = features_page(store)

    assert "| What \\| sells. |" in page


def test_registry_made_for_the_page_leaves_nothing_behind(registered: Any, tmp_path: Path) -> None:
    with registered() as store:
        made = Path(store.config.registry.path)
        assert made.is_file()

    assert not made.exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "__pycache__") == [
        "feature_store.yaml",
        "features.py",
    ]


def test_several_views_of_two_files_are_told_with_the_types_of_their_keys(tmp_path: Path) -> None:
    repository = write_second_repository(tmp_path / "feature_repo", keys_in_schema=False)
    page = declared_features_page(repository.settings())

    sections = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    assert list(sections) == [
        "card_aggregates",
        "merchant_card_aggregates",
        "transaction_features",
        "Feature services",
        "Lineage",
    ]
    assert "| entity | `card`, join key `card_id` (Int64). |" in sections["card_aggregates"]
    pairs = sections["merchant_card_aggregates"]
    assert "`merchant`, join key `merchant_id` (String).; `card`, join key `card_id` (Int64). |" in pairs
    assert "| `pair_share` | Float32 | 0 to 1 |" in pairs
    assert "`card_id` |" not in pairs
    for source in ("card_source", "pair_source", "transaction_source"):
        assert f'["{source}"]' in sections["Lineage"]


def test_view_without_an_entity_and_a_feature_that_is_left_out_are_told_as_such(registered: Any) -> None:
    declared = """
everywhere = FeatureView(
    name="everywhere",
    entities=[],
    schema=[Field(name="frauds_today", dtype=Int64)],
    source=FileSource(path="data/credit_card_fraud_10k.parquet", timestamp_field="timestamp"),
)

fraud_detection_v1 ="""
    with registered("\nfraud_detection_v1 =", declared) as store:
        page = features_page(store)

    section = page.split("## everywhere")[1].split("\n## ")[0]
    assert "| entity | none |" in section
    assert "| `frauds_today` | Int64 | any |  |  |  |" in section
