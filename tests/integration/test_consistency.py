"""Differences are planted in filled stores; the comparison finds each, by name, and nothing else.

The tests of one view, and those of several, build on each other. What is planted among the guide's is mended
at the end, in the way that the documents say.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from feast.protos.feast.types.Value_pb2 import Value
from few_records import TRANSACTIONS
from own_sessions import apply_definitions
from second_repository import FIRST_CARD, RESOLVING, SecondRepository, write_second_repository
from stock_keys import stock_key

from poc.errors import FeaturesNotMaterialized
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.plan import RunOptions
from poc.materialization.run import run_materialization
from poc.online_store.connection import ConnectionSettings
from poc.online_store.layout import direct_layout
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA, Session, cassandra_session
from poc.quality.consistency import ViewCheck, check_consistency
from poc.settings import Settings

PARQUET = "data/credit_card_fraud_10k.parquet"
STOCK = "feast_online_store.ml_platform_poc_transaction_features"
ROWS = "feast_online_store.ml_platform_poc__transaction_features__g1"
DIRECT = "ml_features.transaction_features"
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
def compare(settings: Settings, session: Session) -> Callable[..., ViewCheck]:
    """Compares in this process; `ttl_seconds` is the row store's, `changes` are of the settings."""

    def call(ttl_seconds: int | None = None, **changes: str) -> ViewCheck:
        store = open_feature_store(settings)
        if ttl_seconds is not None:
            store.config.online_store.ttl_seconds = ttl_seconds
        try:
            [found] = check_consistency(
                settings.model_copy(update=changes), store, session, lambda count: None
            )
        finally:
            close_feature_store(store)
        return found

    return call


def plant(session: Session, stock: bool) -> None:
    """Online, change 1321 and take 77 away; in the direct table, change 1322 and add another."""
    if stock:
        changed = Value(double_val=1.25).SerializeToString()
        where = "WHERE entity_key = %s"
        session.execute(
            f"UPDATE {STOCK} SET value = %s {where} AND feature_name = 'amount'",
            (changed, stock_key(transaction_id="1321")),
        )
        session.execute(f"DELETE FROM {STOCK} {where}", (stock_key(transaction_id="77"),))
    else:
        session.execute(f"UPDATE {ROWS} SET amount = 1.25 WHERE transaction_id = '1321'")
        session.execute(f"DELETE FROM {ROWS} WHERE transaction_id = '77'")
    session.execute(f"UPDATE {DIRECT} SET velocity_last_24h = 99 WHERE transaction_id = '1322'")
    session.execute(f"INSERT INTO {DIRECT} (transaction_id, amount) VALUES ('nobody', 1.0)")


@BOTH
def test_stores_that_nobody_touched_have_no_skew(compare: Callable[..., ViewCheck]) -> None:
    found = compare()
    assert found.holds and not found.offline_changed
    counts = [
        (check.store, check.compared, check.differing, check.expired, check.others) for check in found.stores
    ]
    assert counts == [
        ("Feast online store", TRANSACTIONS, 0, 0, 0),
        ("Direct table", TRANSACTIONS, 0, 0, 0),
    ]


@ROW_STORE
def test_store_without_a_recorded_run_is_told(compare: Callable[..., ViewCheck]) -> None:
    with pytest.raises(FeaturesNotMaterialized, match="transaction_features"):
        compare(direct_keyspace="nothing_here")


@ROW_STORE
def test_change_of_the_offline_data_is_told_apart_from_skew(
    compare: Callable[..., ViewCheck], workplace: Any
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
        (*skew.key.values(), skew.column, skew.offline)
        for check in found.stores
        for skew in check.differences
    } == {("500", "amount", 501.5)}


@BOTH
def test_one_value_among_thousands_of_entities_is_found_by_name(
    workplace: Any, session: Session, stock: bool
) -> None:
    plant(session, stock)
    checked = workplace.shell(f"{CHECK} --json skew.json", check=False)
    assert checked.returncode == 1
    named = [line.split("offline")[0] for line in checked.stdout.splitlines() if line.startswith("✗   ")]
    assert sorted(named) == [
        "✗   1321.amount: online 1.25, ",
        "✗   1322.velocity_last_24h: online 99, ",
        "✗   77: missing online",
    ]
    [view] = json.loads((workplace.folder / "skew.json").read_text())["views"]
    online, direct = view["stores"]
    assert (online["differing"], online["missing"], online["others"]) == (2, 1, 0)
    assert (direct["differing"], direct["missing"], direct["others"]) == (1, 0, 1)


@ROW_STORE
def test_row_whose_time_in_the_store_is_over_may_be_gone(compare: Callable[..., ViewCheck]) -> None:
    online, _ = compare(ttl_seconds=1).stores
    assert (online.missing, online.expired) == (0, 1)
    assert [skew.key for skew in online.differences] == [{"transaction_id": "1321"}]


@ROW_STORE
def test_emptied_tables_that_are_filled_anew_have_no_skew(
    workplace: Any, session: Session, compare: Callable[..., ViewCheck]
) -> None:
    for table in (ROWS, DIRECT):
        session.execute(f"TRUNCATE {table}", execution_profile=SCHEMA)
    workplace.shell("python scripts/feast_materialize.py --full")
    assert compare().holds


@dataclass(frozen=True)
class Several:
    """Four views in filled stores: of a text, of an integer, of both, and of nothing."""

    repository: SecondRepository
    settings: Settings
    keyspace: str
    layout: str

    def compare(self, session: Session) -> dict[str, ViewCheck]:
        store = open_feature_store(self.settings)
        try:
            views = check_consistency(self.settings, store, session, lambda count: None)
        finally:
            close_feature_store(store)
        return {view.feature_view: view for view in views}


def add_view_without_entity(repository: SecondRepository) -> None:
    """Declare one whose every row is of the same, and let the service take it."""
    times = repository.tables["transaction_features"].select(["timestamp", "created_timestamp"])
    path = repository.folder.resolve() / "data/everywhere.parquet"
    pq.write_table(times.append_column("payments_everywhere", [list(range(len(times)))]), path)
    file = repository.folder / "features.py"
    view = f"""everywhere = FeatureView(
    name="everywhere",
    entities=[],
    schema=[Field(name="payments_everywhere", dtype=Int64)],
    source=FileSource(
        path={str(path)!r}, timestamp_field="timestamp", created_timestamp_column="created_timestamp"
    ),
)

fraud_detection_v1 ="""
    text = file.read_text().replace("fraud_detection_v1 =", view)
    file.write_text(text.replace("features=[", "features=[everywhere, "))


@pytest.fixture(
    scope="module",
    params=[("rows", RESOLVING), ("stock", RESOLVING), ("stock", "local"), ("sqlite", "local")],
    ids=lambda param: f"{param[0]} {param[1].rpartition('.')[2]}",
)
def several(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings
) -> Iterator[Several]:
    layout, provider = request.param
    folder = tmp_path_factory.mktemp("several")
    keyspace = f"test_{uuid.uuid4().hex[:12]}"
    # What a store elsewhere has in Cassandra is in the one that the environment names.
    with pytest.MonkeyPatch.context() as environment, cassandra_session(cassandra) as session:
        environment.setenv("CASSANDRA_HOSTS", ",".join(cassandra.hosts))
        environment.setenv("CASSANDRA_PORT", str(cassandra.port))
        sqlite = {"online_store": {"type": "sqlite", "path": str(folder / "online.db")}}
        repository = write_second_repository(
            folder / "feature_repo",
            keyspace=keyspace,
            layout="rows" if layout == "sqlite" else layout,
            provider=provider,
            blocks=sqlite if layout == "sqlite" else None,
            field_mapping=True,
        )
        add_view_without_entity(repository)
        settings = repository.settings(direct_keyspace=f"{keyspace}_direct")
        # Feast's own store makes none.
        ensure_keyspace(session, cassandra, keyspace)
        apply_definitions(settings)
        store = open_feature_store(settings)
        run_materialization(settings, store, session, RunOptions(), lambda view, window: None)
        close_feature_store(store)
        yield Several(repository, settings, keyspace, layout)
        for name in (keyspace, settings.direct_keyspace):
            session.execute(f"DROP KEYSPACE {name}", execution_profile=SCHEMA)


def test_every_view_is_compared_by_its_own_keys(several: Several, session: Session) -> None:
    counted = None if several.layout == "sqlite" else 0
    counts = {
        name: [(check.store, check.compared, check.differing, check.others) for check in view.stores]
        for name, view in several.compare(session).items()
    }
    assert counts == {
        name: [("Feast online store", entities, 0, counted), ("Direct table", entities, 0, 0)]
        for name, entities in {
            "everywhere": 1,
            "transaction_features": 400,
            "card_aggregates": 12,
            "merchant_card_aggregates": 60,
        }.items()
    }


def test_value_of_a_card_and_a_missing_pair_are_found_by_their_keys(
    several: Several, session: Session
) -> None:
    cards, pairs = (
        direct_layout(several.settings.direct_keyspace, "second_project", view).qualified
        for view in _views(several, "card_aggregates", "merchant_card_aggregates")
    )
    session.execute(f"UPDATE {cards} SET card_payments = -1 WHERE card_id = {FIRST_CARD}")
    session.execute(f"DELETE FROM {pairs} WHERE merchant_id = 'm1' AND card_id = {FIRST_CARD + 2}")
    found = {
        name: [str(skew).partition(", offline")[0] for skew in view.stores[1].differences]
        for name, view in several.compare(session).items()
    }
    assert found == {
        "everywhere": [],
        "transaction_features": [],
        "card_aggregates": [f"{FIRST_CARD}.card_payments: online -1"],
        "merchant_card_aggregates": [f"m1/{FIRST_CARD + 2}: missing online"],
    }


def test_feature_that_was_never_written_is_no_null(several: Several, session: Session) -> None:
    [direct] = _views(several, "card_aggregates")
    table = direct_layout(several.settings.direct_keyspace, "second_project", direct).qualified
    session.execute(f"ALTER TABLE {table} DROP card_is_new", execution_profile=SCHEMA)
    expected = []
    if several.layout == "stock":
        session.execute(
            f"DELETE FROM {several.keyspace}.second_project_card_aggregates"
            " WHERE entity_key = %s AND feature_name = 'card_is_new'",
            (stock_key(card_id=FIRST_CARD),),
        )
        expected = [f"{FIRST_CARD}.card_is_new: online never written"]
    online, direct = several.compare(session)["card_aggregates"].stores
    assert [str(skew).partition(", offline")[0] for skew in online.differences] == expected
    assert direct.differing == 12
    assert {str(skew).partition(".")[2].partition(", offline")[0] for skew in direct.differences} >= {
        "card_is_new: online never written"
    }


def _views(several: Several, *names: str) -> list[Any]:
    store = open_feature_store(several.settings)
    return [store.get_feature_view(name) for name in names]
