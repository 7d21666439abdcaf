"""Differences are planted in stores of 9,997 transactions; the comparison finds each, and nothing else.

The tests build on each other: what is planted is mended at the end, in the way that the documents say.
"""

import json
from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cassandra.cluster import Session
from feast.protos.feast.types.Value_pb2 import Value

from poc.errors import FeaturesNotMaterialized
from poc.feature_store import open_feature_store
from poc.monitoring.consistency import Consistency, check_consistency
from poc.retrieval.stock_store import stock_key
from poc.settings import Settings

PARQUET = "data/credit_card_fraud_10k.parquet"
STOCK = "feast_online_store.ml_platform_poc_transaction_features"
ROWS = "feast_online_store.ml_platform_poc__transaction_features"
DIRECT = "ml_features.transaction_features"
TRANSACTIONS = 9_997
CHECK = "python scripts/check_consistency.py"

BOTH = pytest.mark.parametrize(
    "workplace", ["feature_store.yaml", "stores/rows.yaml"], indirect=True, scope="module"
)
ROW_STORE = pytest.mark.parametrize("workplace", ["stores/rows.yaml"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def stock(workplace: Any) -> bool:
    """Whether the stores are filled and the online store has Feast's own layout."""
    workplace.shell("python scripts/feast_setup.py && python scripts/feast_materialize.py")
    return "type: cassandra\n" in (workplace.folder / "feature_repo/feature_store.yaml").read_text()


@pytest.fixture
def settings(stock: bool, workplace: Any, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(workplace.folder)
    return Settings(_env_file=None)


@pytest.fixture
def compare(settings: Settings, session: Session) -> Callable[..., Consistency]:
    """Compares in this process; `ttl_seconds` is the row store's, `changes` are of the settings."""

    def call(ttl_seconds: int | None = None, **changes: str) -> Consistency:
        store = open_feature_store(settings)
        if ttl_seconds is not None:
            store.config.online_store.ttl_seconds = ttl_seconds
        return check_consistency(settings.model_copy(update=changes), store, session, lambda count: None)

    return call


def plant(session: Session, stock: bool) -> None:
    """Online, change 4321 and take 77 away; in the direct table, change 4322 and add another."""
    if stock:
        key = stock_key("transaction_id", 2)
        changed = Value(double_val=1.25).SerializeToString()
        where = "WHERE entity_key = %s"
        session.execute(
            f"UPDATE {STOCK} SET value = %s {where} AND feature_name = 'amount'", (changed, key("4321"))
        )
        session.execute(f"DELETE FROM {STOCK} {where}", (key("77"),))
    else:
        session.execute(f"UPDATE {ROWS} SET amount = 1.25 WHERE transaction_id = '4321'")
        session.execute(f"DELETE FROM {ROWS} WHERE transaction_id = '77'")
    session.execute(f"UPDATE {DIRECT} SET velocity_last_24h = 99 WHERE transaction_id = '4322'")
    session.execute(f"INSERT INTO {DIRECT} (transaction_id, amount) VALUES ('nobody', 1.0)")


@BOTH
@pytest.mark.parametrize("driver", ["acsylla", "cassandra-driver"])
def test_stores_that_nobody_touched_have_no_skew(compare: Callable[..., Consistency], driver: str) -> None:
    found = compare(feature_driver=driver)
    assert found.holds and not found.offline_changed
    counts = [
        (check.store, check.compared, check.differing, check.expired, check.others) for check in found.stores
    ]
    assert counts == [
        ("Feast online store", TRANSACTIONS, 0, 0, 0),
        ("Direct table", TRANSACTIONS, 0, 0, 0),
    ]


@ROW_STORE
def test_store_without_a_recorded_run_is_told(compare: Callable[..., Consistency]) -> None:
    with pytest.raises(FeaturesNotMaterialized, match="transaction_features"):
        compare(direct_keyspace="nothing_here")


@ROW_STORE
def test_change_of_the_offline_data_is_told_apart_from_skew(
    compare: Callable[..., Consistency], workplace: Any
) -> None:
    path = workplace.folder / PARQUET
    kept = path.read_bytes()
    table = pq.read_table(path)
    corrected = pc.if_else(pc.equal(table["transaction_id"], "500"), 501.5, table["amount"])
    pq.write_table(table.set_column(table.column_names.index("amount"), "amount", corrected), path)
    found = compare()
    path.write_bytes(kept)
    assert found.offline_changed
    assert {
        (skew.transaction_id, skew.column, skew.offline) for check in found.stores for skew in check.shown
    } == {("500", "amount", 501.5)}


@BOTH
def test_one_value_among_ten_thousand_entities_is_found_by_name(
    workplace: Any, session: Session, stock: bool
) -> None:
    plant(session, stock)
    checked = workplace.shell(f"{CHECK} --json skew.json", check=False)
    assert checked.returncode == 1
    named = [line.split("offline")[0] for line in checked.stdout.splitlines() if line.startswith("✗   ")]
    assert sorted(named) == [
        "✗   4321.amount: online 1.25, ",
        "✗   4322.velocity_last_24h: online 99, ",
        "✗   77: missing online",
    ]
    online, direct = json.loads((workplace.folder / "skew.json").read_text())["stores"]
    assert (online["differing"], online["missing"], online["others"]) == (2, 1, 0)
    assert (direct["differing"], direct["missing"], direct["others"]) == (1, 0, 1)


@ROW_STORE
def test_row_whose_time_in_the_store_is_over_may_be_gone(compare: Callable[..., Consistency]) -> None:
    online, _ = compare(ttl_seconds=1).stores
    assert (online.missing, online.expired) == (0, 1)
    assert [skew.transaction_id for skew in online.shown] == ["4321"]


@ROW_STORE
def test_emptied_tables_that_are_filled_anew_have_no_skew(
    workplace: Any, session: Session, compare: Callable[..., Consistency]
) -> None:
    for table in (ROWS, DIRECT):
        session.execute(f"TRUNCATE {table}", timeout=60)
    workplace.shell("python scripts/feast_materialize.py --full")
    assert compare().holds
