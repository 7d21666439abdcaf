"""Training on a service of several views: which labels meet which features, against a join done by hand.

Nothing here reads online: Feast's SQLite store stands in for Cassandra.
"""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_sessions import apply_definitions
from second_repository import FIRST_CARD, VIEWS, SecondRepository, write_second_repository

from poc.dataset.stored import dataset_fingerprint
from poc.errors import (
    ColumnsMissing,
    DatasetRefused,
    DefinitionsChanged,
    InvalidDefinitions,
    LabelsUnavailable,
)
from poc.model.evaluation import Costs
from poc.model.examples import Examples, labelled_examples
from poc.model.reference import read_reference
from poc.model.registry import load_scorer
from poc.model.training import train

TAKEN = "features=[transaction_features, card_aggregates, merchant_card_aggregates]"
KEYS = {
    "transaction_features": ["transaction_id"],
    "card_aggregates": ["card_id"],
    "merchant_card_aggregates": ["merchant_id", "card_id"],
}
FEATURES = {
    "transaction_features": ["amount", "transaction_hour", "merchant_category", "foreign_transaction"],
    "card_aggregates": ["card_payments", "card_mean_amount", "card_is_new"],
    "merchant_card_aggregates": ["pair_payments", "pair_share"],
}
TTL = timedelta(days=30)

Write = Callable[..., SecondRepository]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the second repository; `changes` replace text in one of its Python files."""

    def written(
        file: str = "features.py", changes: dict[str, str] | None = None, **more: Any
    ) -> SecondRepository:
        online = {"type": "sqlite", "path": str(tmp_path / "online.db")}
        folder = tmp_path / "feature_repo"
        made = write_second_repository(
            folder, provider="local", blocks={"online_store": online, "batch_engine": None}, **more
        )
        rewrite(folder / file, changes or {})
        return made

    return written


def rewrite(path: Path, changes: dict[str, str]) -> None:
    text = path.read_text()
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def source(repository: SecondRepository, view: str) -> Path:
    return repository.folder / "data" / f"{view}.parquet"


def replace_source(
    repository: SecondRepository, view: str, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    path = source(repository, view)
    table = pa.Table.from_pandas(change(pd.read_parquet(path)), preserve_index=False)
    pq.write_table(table, path)


def examples(repository: SecondRepository) -> Examples:
    apply_definitions(repository.settings())
    return labelled_examples(repository.settings())


def known_then(repository: SecondRepository, view: str, row: pd.Series) -> list[Any]:  # type: ignore[type-arg]
    """What the view's source says of the row's entity at the row's time: the newest, if not too old."""
    table = pd.read_parquet(source(repository, view))
    moment = row["event_timestamp"]
    fits = (table["timestamp"] <= moment) & (table["timestamp"] >= moment - TTL)
    for key in KEYS[view]:
        fits &= table[key] == row[key]
    if not fits.any():
        return [None] * len(FEATURES[view])
    newest = table[fits].sort_values("timestamp").iloc[-1]
    return [newest[name] for name in FEATURES[view]]


def require_as_by_hand(repository: SecondRepository, rows: pd.DataFrame) -> None:
    for _, row in rows.iterrows():
        for view in VIEWS:
            found = [None if pd.isna(row[name]) else row[name] for name in FEATURES[view]]
            assert found == known_then(repository, view, row)


@pytest.mark.parametrize(
    "taken",
    [
        TAKEN,
        "features=[card_aggregates, merchant_card_aggregates, transaction_features]",
        "features=[merchant_card_aggregates, transaction_features, card_aggregates]",
    ],
)
def test_each_label_meets_what_every_view_knew_at_its_time(write: Write, taken: str) -> None:
    repository = write(changes={TAKEN: taken})
    found = examples(repository)
    assert (
        len(found.rows),
        found.left_out.unlabelled,
        found.left_out.repeated,
        found.left_out.unmatched,
        found.left_out.keyless,
    ) == (
        400,
        0,
        0,
        0,
        0,
    )
    assert found.rows["card_id"].dtype == "int64"
    stored = repository.tables["transaction_features"].to_pandas()
    both = found.rows.merge(stored, on=["transaction_id", "card_id", "merchant_id"], suffixes=("", "_stored"))
    assert both["is_fraud"].tolist() == both["is_fraud_stored"].tolist()
    require_as_by_hand(repository, found.rows)


def test_value_corrected_after_the_label_is_not_joined_but_the_one_before_it(write: Write) -> None:
    repository = write()
    expected = examples(repository).rows
    last = expected["event_timestamp"].max()

    def corrected(cards: pd.DataFrame) -> pd.DataFrame:
        late = cards.assign(card_payments=-1, created_timestamp=last + timedelta(seconds=1))
        return pd.concat([late, cards, late.assign(card_mean_amount=-1.0)])

    replace_source(repository, "card_aggregates", corrected)
    pd.testing.assert_frame_equal(examples(repository).rows, expected)


def test_value_corrected_before_the_label_is_joined(write: Write) -> None:
    repository = write()
    before = examples(repository).rows
    since = before["event_timestamp"][200]

    def corrected(cards: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([cards.assign(card_payments=-1, created_timestamp=since), cards])

    replace_source(repository, "card_aggregates", corrected)
    found = examples(repository).rows
    is_later = before["event_timestamp"] >= since
    # What is true from after the correction on was never wrong.
    midnight = since.normalize() + timedelta(days=1)
    unaffected = before["event_timestamp"] >= midnight
    assert (found.loc[is_later & ~unaffected, "card_payments"] == -1).all()
    assert found.loc[~is_later, "card_payments"].tolist() == before.loc[~is_later, "card_payments"].tolist()


def test_corrected_payment_is_an_example_of_what_was_known_first_with_the_label_known_last(
    write: Write,
) -> None:
    repository = write()
    before = examples(repository).rows

    def corrected(payments: pd.DataFrame) -> pd.DataFrame:
        late = payments.iloc[[7, 8]].assign(amount=-1.0, is_fraud=1 - payments["is_fraud"])
        late["created_timestamp"] += timedelta(days=2)
        return pd.concat([late, payments])

    replace_source(repository, "transaction_features", corrected)
    found = examples(repository)
    assert (found.left_out.corrected, found.left_out.repeated, found.left_out.unmatched) == (2, 0, 0)
    expected = before["is_fraud"].tolist()
    expected[7:9] = [1 - label for label in expected[7:9]]
    assert found.rows["is_fraud"].tolist() == expected
    pd.testing.assert_frame_equal(found.rows.drop(columns="is_fraud"), before.drop(columns="is_fraud"))


def test_payments_of_one_card_at_one_moment_are_all_examples(write: Write) -> None:
    repository = write(
        changes={
            TAKEN: TAKEN.replace("transaction_features, card", "card").replace("]", ", transaction_features]")
        }
    )

    def of_one_card_and_moment(payments: pd.DataFrame) -> pd.DataFrame:
        payments.loc[100:120, ["card_id", "timestamp"]] = [FIRST_CARD, payments["timestamp"][100]]
        return payments

    replace_source(repository, "transaction_features", of_one_card_and_moment)
    found = examples(repository)
    assert (len(found.rows), found.left_out.repeated, found.left_out.unmatched) == (400, 0, 0)
    require_as_by_hand(repository, found.rows)


def test_entity_that_a_view_does_not_know_yet_has_nulls_of_that_view(write: Write) -> None:
    repository = write()

    def later(cards: pd.DataFrame) -> pd.DataFrame:
        return cards[
            (cards["card_id"] != FIRST_CARD) & (cards["timestamp"] > cards["timestamp"].quantile(0.3))
        ]

    replace_source(repository, "card_aggregates", later)
    found = examples(repository)
    assert (len(found.rows), found.left_out.unmatched) == (400, 0)
    assert found.rows.loc[found.rows["card_id"] == FIRST_CARD, "card_payments"].isna().all()
    require_as_by_hand(repository, found.rows)


def test_service_names_its_keys_as_it_likes(write: Write) -> None:
    mapped = 'card_aggregates.with_name("payer").with_join_key_map({"card_id": "payer_card"})'
    repository = write(changes={TAKEN: TAKEN.replace("card_aggregates,", f"{mapped},", 1)})
    replace_source(
        repository, "transaction_features", lambda payments: payments.assign(payer_card=payments["card_id"])
    )
    found = examples(repository)
    assert found.served.key_names == ("transaction_id", "payer_card", "merchant_id", "card_id")
    assert len(found.rows) == 400
    require_as_by_hand(repository, found.rows)


def test_view_without_an_entity_gives_every_label_what_was_known_then(write: Write) -> None:
    repository = write()
    moments = [datetime(2020, 1, 1, tzinfo=timezone.utc), datetime.now(timezone.utc) - timedelta(days=10)]
    pq.write_table(
        pa.table({"rate": [1.5, 2.5], "timestamp": pa.array(moments, pa.timestamp("us", "UTC"))}),
        repository.folder / "data" / "rates.parquet",
    )
    (repository.folder / "rates.py").write_text(
        "from datetime import timedelta\n"
        "from feast import FeatureView, Field, FileSource\n"
        "from feast.types import Float64\n"
        "rates = FeatureView(name='rates', entities=[], schema=[Field(name='rate', dtype=Float64)],\n"
        f"    source=FileSource(path={str(repository.folder / 'data' / 'rates.parquet')!r},"
        " timestamp_field='timestamp'))\n"
    )
    rewrite(
        repository.folder / "features.py",
        {
            "from feast import": "from rates import rates\nfrom feast import",
            TAKEN: TAKEN.replace("[", "[rates, "),
        },
    )
    found = examples(repository)
    assert len(found.rows) == 400
    expected = [1.5 if moment < moments[1] else 2.5 for moment in found.rows["event_timestamp"]]
    assert found.rows["rate"].tolist() == expected
    require_as_by_hand(repository, found.rows)


def test_columns_that_the_sources_call_otherwise_are_found(write: Write) -> None:
    renamed = write(field_mapping=True)
    found = examples(renamed)
    assert len(found.rows) == 400
    payments = renamed.tables["transaction_features"].to_pandas().set_index("transaction_id")
    assert found.rows["amount"].tolist() == payments["amt"][found.rows["transaction_id"]].tolist()
    assert found.rows["card_payments"].notna().all()


def test_payment_without_one_of_its_keys_is_left_out_and_the_other_ids_stay_exact(write: Write) -> None:
    repository = write()
    largest = 2**63 - 1

    def without_card(payments: pd.DataFrame) -> pd.DataFrame:
        cards = payments["card_id"].astype("Int64")
        cards[5], cards[6] = pd.NA, largest
        return payments.assign(card_id=cards)

    replace_source(repository, "transaction_features", without_card)
    found = examples(repository)
    assert (len(found.rows), found.left_out.keyless) == (399, 1)
    assert largest in found.rows["card_id"].tolist()


def test_source_without_a_key_of_the_service_is_refused_by_its_name(write: Write) -> None:
    repository = write()
    replace_source(repository, "transaction_features", lambda payments: payments.drop(columns="merchant_id"))
    with pytest.raises(ColumnsMissing, match="merchant_id"):
        examples(repository)


def test_service_without_labels_is_refused(write: Write) -> None:
    repository = write()
    replace_source(repository, "transaction_features", lambda payments: payments.drop(columns="is_fraud"))
    with pytest.raises(LabelsUnavailable, match="none of them has a column is_fraud"):
        examples(repository)


def test_service_with_two_sources_of_labels_is_refused(write: Write) -> None:
    repository = write()
    replace_source(repository, "card_aggregates", lambda cards: cards.assign(is_fraud=0))
    with pytest.raises(LabelsUnavailable, match="card_aggregates"):
        examples(repository)


def test_label_among_the_features_is_refused(write: Write) -> None:
    amount = 'Field(name="amount"'
    repository = write(changes={amount: f'Field(name="is_fraud", dtype=Int64),\n        {amount}'})
    with pytest.raises(InvalidDefinitions, match="is_fraud"):
        examples(repository)


def test_key_that_is_text_in_one_source_and_a_number_in_another_is_refused(write: Write) -> None:
    repository = write()
    apply_definitions(repository.settings())
    replace_source(repository, "card_aggregates", lambda cards: cards.astype({"card_id": str}))
    with pytest.raises(DatasetRefused, match="card_id is string, declared Int64"):
        labelled_examples(repository.settings())


PAIR_SHARE = 'Field(name="pair_share", dtype=Float32'


@pytest.mark.parametrize(
    ("file", "changes", "named"),
    [
        ("aggregates.py", {PAIR_SHARE: f'Field(name="pair_age", dtype=Int64), {PAIR_SHARE}'}, "pair_age"),
        ("aggregates.py", {PAIR_SHARE: 'Field(name="pair_share", dtype=Float64'}, "pair_share"),
        ("aggregates.py", {"INT64": "INT32", '"card_id", dtype=Int64': '"card_id", dtype=Int32'}, "card_id"),
        ("features.py", {"[transaction_features,": '[transaction_features[["amount"]],'}, "merchant"),
    ],
)  # fmt: skip
def test_change_of_any_view_since_it_was_applied_is_told(
    write: Write, file: str, changes: dict[str, str], named: str
) -> None:
    repository = write()
    apply_definitions(repository.settings())
    rewrite(repository.folder / file, changes)
    with pytest.raises(DefinitionsChanged, match=named):
        labelled_examples(repository.settings())


def test_run_keeps_which_views_sources_and_files_made_the_model(write: Write) -> None:
    from mlflow.tracking import MlflowClient

    repository = write()
    settings = repository.settings()
    apply_definitions(settings)
    card = train(settings, Costs(), datetime.now(timezone.utc), lambda line: None)
    client = MlflowClient(settings.mlflow_tracking_uri)
    parameters = client.get_run(card.run_id).data.params
    assert parameters["feature_view"] == ",".join(VIEWS)
    assert parameters["data_sha256"] == ",".join(
        dataset_fingerprint(source(repository, view)) for view in VIEWS
    )
    kept = {item.path for item in client.list_artifacts(card.run_id)}
    assert kept >= {"features.py", "aggregates.py"}
    every = {name for names in FEATURES.values() for name in names}
    reference = read_reference(settings)
    assert reference is not None
    assert set(reference.features) == set(load_scorer(settings).inputs) == every
