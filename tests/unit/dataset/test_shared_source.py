"""Several views over one source that is prepared: it holds what each of them declares, in its types."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast.types import Int64, String, UnixTimestamp

from poc.dataset.columns import TIME
from poc.dataset.prepare import check_service, write_dataset
from poc.definitions import Feature, FeatureSet, JoinKey, ServedFeatures, ServedView
from poc.errors import ColumnsMissing, DatasetRefused

Prepared = Callable[..., pa.Schema]


@pytest.fixture
def prepared(definitions: FeatureSet, tmp_path: Path, now: datetime) -> Prepared:
    """Prepares the source for a service over the payments and their cards, which have these features."""

    def call(timestamp: str = definitions.timestamp_column, **kinds: object) -> pa.Schema:
        features = tuple(Feature(name, kind, "", {}) for name, kind in kinds.items())
        cards = replace(definitions, view="cards", join_keys=(JoinKey("card_id", Int64),), features=features)
        cards = replace(cards, timestamp_column=timestamp)
        views = (ServedView(view, view.features, view.key_names) for view in (definitions, cards))
        payments, _ = map(write_dataset, check_service(ServedFeatures("both", tuple(views)), tmp_path, now))
        return pq.read_schema(payments.path)

    return call


@pytest.fixture
def csv_with_cards(public_records: pd.DataFrame, csv_path: Path) -> None:
    cards = [4026222041577, *range(1, len(public_records))]
    public_records.assign(card_id=cards, born="1988-03-09", job="Clerk", rating="").to_csv(
        csv_path, index=False
    )


@pytest.mark.usefixtures("csv_with_cards")
def test_columns_of_a_csv_have_the_types_of_the_view_that_declares_them(prepared: Prepared) -> None:
    schema = prepared(born=UnixTimestamp, rating=Int64, merchant_category=String)
    assert schema.field("card_id").type == pa.int64()
    assert schema.field("born").type == TIME
    assert schema.field("rating").type == pa.int64()
    assert schema.field("job").type == pa.string()


@pytest.mark.usefixtures("csv_with_cards")
def test_times_of_a_csv_are_those_of_each_view(prepared: Prepared) -> None:
    assert prepared("born", rating=Int64).field("born").type == TIME


@pytest.mark.usefixtures("csv_with_cards")
def test_type_that_is_declared_later_is_taken_over(prepared: Prepared) -> None:
    assert prepared(born=String).field("born").type == pa.string()
    assert prepared(born=UnixTimestamp).field("born").type == TIME


@pytest.mark.usefixtures("csv_with_cards")
def test_value_that_does_not_fit_is_named_by_line_of_the_csv(prepared: Prepared, csv_path: Path) -> None:
    with pytest.raises(
        DatasetRefused, match=r"job: not a whole number of 64 bits in 200 rows \(line 2"
    ) as raised:
        prepared(job=Int64, born=String)
    assert raised.value.about["path"] == csv_path


@pytest.mark.usefixtures("csv_with_cards")
def test_column_that_the_csv_lacks_is_named(prepared: Prepared) -> None:
    with pytest.raises(ColumnsMissing, match="credit_limit"):
        prepared(credit_limit=Int64)


def test_generated_records_have_the_columns_of_each_view(prepared: Prepared) -> None:
    assert prepared(credit_limit=Int64).field("credit_limit").type == pa.int64()
    assert prepared(credit_limit=Int64, score=Int64).field("score").type == pa.int64()
