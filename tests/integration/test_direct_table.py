from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from cassandra.cluster import Session

from poc.database.direct_table import DirectTable
from poc.definitions import FeatureSet
from poc.errors import DirectTableDiffers

NOON = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


@pytest.fixture
def table(session: Session, keyspace: str, definitions: FeatureSet) -> DirectTable:
    made = DirectTable(keyspace, definitions)
    made.create(session)
    return made


def row(table: DirectTable, amount: float, at: datetime) -> tuple[Any, ...]:
    kinds = list(table.columns.values())[1:-1]
    values = {"text": "Food", "bigint": 1, "double": amount}
    return ("12345", *(values[kind] for kind in kinds), at)


def read(session: Session, table: DirectTable) -> Any:
    return session.execute(session.prepare(table.select_cql), ["12345"]).one()


def test_row_comes_back_with_its_types(session: Session, table: DirectTable) -> None:
    table.write(session, [row(table, 500.0, NOON)])
    found = read(session, table)
    assert (found.amount, found.merchant_category, found.event_timestamp) == (
        500.0,
        "Food",
        NOON.replace(tzinfo=None),
    )


def test_older_row_does_not_replace_a_newer_one(session: Session, table: DirectTable) -> None:
    table.write(session, [row(table, 500.0, NOON)])
    table.write(session, [row(table, 1.0, NOON - timedelta(days=400))])
    assert read(session, table).amount == 500.0


def test_corrected_row_of_a_later_revision_replaces_the_one_before(
    session: Session, table: DirectTable
) -> None:
    table.write(session, [row(table, 500.0, NOON)])
    table.write(session, [row(table, 1.0, NOON)], revision=1)
    assert read(session, table).amount == 1.0


def test_new_feature_becomes_a_column_and_keeps_the_rows(
    session: Session, keyspace: str, definitions: FeatureSet
) -> None:
    fewer = DirectTable(keyspace, replace(definitions, features=definitions.features[:1]))
    fewer.create(session)
    fewer.write(session, [("12345", 500.0, NOON)])
    assert DirectTable(keyspace, definitions).create(session) == definitions.names[1:]
    found = read(session, DirectTable(keyspace, definitions))
    assert (found.amount, found.transaction_hour) == (500.0, None)


def test_changed_type_is_refused_with_the_way_out(
    session: Session, keyspace: str, definitions: FeatureSet
) -> None:
    DirectTable(keyspace, definitions).create(session)
    amount, hour, *_ = definitions.features
    changed = replace(definitions, features=(replace(amount, dtype=hour.dtype),))
    with pytest.raises(DirectTableDiffers, match=r"amount .* is double.*declares bigint"):
        DirectTable(keyspace, changed).create(session)


def test_missing_table_counts_as_empty(session: Session, keyspace: str, definitions: FeatureSet) -> None:
    assert DirectTable(keyspace, definitions).is_empty(session)


def test_table_with_a_row_is_not_empty(session: Session, table: DirectTable) -> None:
    table.write(session, [row(table, 500.0, NOON)])
    assert not table.is_empty(session)
