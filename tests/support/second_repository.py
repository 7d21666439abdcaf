"""A feature repository unlike the guide's: three views of three kinds of entity, in two Python files.

Beside the transaction view (String key) there are aggregates of cards (`card_id`, Int64) and of a merchant
and a card together (`merchant_id`, String, and `card_id`); the service `fraud_detection_v1` takes all three.
The sources are written too: a few hundred rows, made by a seed, at times before `now`. Each transaction finds
aggregates of its card and of its pair that are older than itself and within the views' ttl. The transactions'
source names all join keys, so that its labels (`is_fraud`, frauds in every part of the time) join every view.

    repository = write_second_repository(tmp_path / "feature_repo", port=9042, keyspace="mine")
    apply_definitions(repository.settings())
    repository.keys[0]     # {"transaction_id": "t0001", "merchant_id": "m3", "card_id": 5000000007}
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from poc.settings import Settings

SERVICE = "fraud_detection_v1"
VIEWS = ("transaction_features", "card_aggregates", "merchant_card_aggregates")
KEYS = ("transaction_id", "card_id", "merchant_id")
RESOLVING = "poc.online_store.provider.ResolvingProvider"
STORES = {"rows": "poc.online_store.row_store.CassandraRowOnlineStore", "stock": "cassandra"}
CATEGORIES = ("Clothing", "Electronics", "Food")
TIME = pa.timestamp("us", "UTC")

# More than an Int32 holds.
FIRST_CARD = 5_000_000_000
CARDS, MERCHANTS, DAYS = 12, 5, 20

_AGGREGATES = '''"""What is known of a card, and of a card at one merchant."""

from datetime import timedelta

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Bool, Float32, Float64, Int32, Int64, String

card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.INT64)
merchant = Entity(name="merchant", join_keys=["merchant_id"], value_type=ValueType.STRING)

card_aggregates = FeatureView(
    name="card_aggregates",
    entities=[card],
    ttl=timedelta(days=30),
    schema=[
        {card_key}
        Field(name="card_payments", dtype=Int64, tags={{"min": "0"}}),
        Field(name="card_mean_amount", dtype=Float64, tags={{"min": "0"}}),
        Field(name="card_is_new", dtype=Bool),
    ],
    online=True,
    source=FileSource(
        name="card_source",
        path={card_path!r},
        timestamp_field="timestamp",
        created_timestamp_column="created_timestamp",
        field_mapping={card_mapping!r},
    ),
)

merchant_card_aggregates = FeatureView(
    name="merchant_card_aggregates",
    entities=[merchant, card],
    ttl=timedelta(days=30),
    schema=[
        {pair_keys}
        Field(name="pair_payments", dtype=Int32, tags={{"min": "0"}}),
        Field(name="pair_share", dtype=Float32, tags={{"min": "0", "max": "1"}}),
    ],
    online=True,
    source=FileSource(
        name="pair_source",
        path={pair_path!r},
        timestamp_field="timestamp",
        created_timestamp_column="created_timestamp",
    ),
)
'''

_FEATURES = '''"""What is known of a payment, and what the model takes."""

from datetime import timedelta

from aggregates import card_aggregates, merchant_card_aggregates
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String

transaction = Entity(name="transaction", join_keys=["transaction_id"], value_type=ValueType.STRING)

transaction_features = FeatureView(
    name="transaction_features",
    entities=[transaction],
    ttl=timedelta(days=30),
    schema=[
        {transaction_key}
        Field(name="amount", dtype=Float64, tags={{"min": "0"}}),
        Field(name="transaction_hour", dtype=Int64, tags={{"min": "0", "max": "23"}}),
        Field(name="merchant_category", dtype=String, tags={{"values": {categories!r}}}),
        Field(name="foreign_transaction", dtype=Int64, tags={{"min": "0", "max": "1"}}),
    ],
    online=True,
    source=FileSource(
        name="transaction_source",
        path={transaction_path!r},
        timestamp_field="timestamp",
        created_timestamp_column="created_timestamp",
        field_mapping={transaction_mapping!r},
    ),
)

fraud_detection_v1 = FeatureService(
    name={service!r}, features=[transaction_features, card_aggregates, merchant_card_aggregates]
)
'''


@dataclass(frozen=True, slots=True)
class SecondRepository:
    """What was written.

    Attributes:
        folder: of the repository: features.py, aggregates.py, feature_store.yaml; sources in data/.
        tables: the sources as they are in their files, by view.
        keys: the join keys of every transaction, as a request names them.
    """

    folder: Path
    tables: Mapping[str, pa.Table]
    keys: Sequence[Mapping[str, Any]]

    def settings(self, **more: Any) -> Settings:
        """Settings that select it, with everything else beside it."""
        beside = self.folder.parent
        named = {
            "feast_repo_path": self.folder,
            "data_dir": beside / "data",
            "mlflow_tracking_uri": f"sqlite:///{beside}/mlflow.db",
        }
        return Settings(_env_file=None, **(named | more))


def write_second_repository(
    folder: Path,
    *,
    hosts: Sequence[str] = ("127.0.0.1",),
    port: int = 9042,
    keyspace: str = "feast_online_store",
    layout: str = "rows",
    project: str = "second_project",
    provider: str = RESOLVING,
    field_mapping: bool = False,
    keys_in_schema: bool = True,
    blocks: Mapping[str, Any] | None = None,
    rows: int = 400,
    now: datetime | None = None,
) -> SecondRepository:
    """Write it into `folder`, which is made; paths of sources and registry are whole ones.

    Args:
        folder: of the repository.
        hosts, port, keyspace: of the online store.
        layout: `rows` or `stock`.
        project: Feast's.
        provider: Feast's.
        field_mapping: let the transactions' source call `amount` amt, and the cards' `card_id` card and
            `card_payments` payments.
        keys_in_schema: repeat the join keys in every schema.
        blocks: of the yaml, instead of or beside those that are written; None takes one out.
        rows: number of transactions.
        now: aware; all times lie before it. The present for None.
    """
    data = folder / "data"
    data.mkdir(parents=True)
    tables = _tables(rows, datetime.now(timezone.utc) if now is None else now)
    if field_mapping:
        tables["transaction_features"] = _renamed(tables["transaction_features"], {"amount": "amt"})
        tables["card_aggregates"] = _renamed(
            tables["card_aggregates"], {"card_id": "card", "card_payments": "payments"}
        )
    for name, table in tables.items():
        pq.write_table(table, data / f"{name}.parquet")
    paths = {name: str((data / f"{name}.parquet").resolve()) for name in VIEWS}
    (folder / "aggregates.py").write_text(
        _AGGREGATES.format(
            card_key=_key("card_id", "Int64", keys_in_schema),
            pair_keys=_key("merchant_id", "String", keys_in_schema)
            + _key("card_id", "Int64", keys_in_schema),
            card_path=paths["card_aggregates"],
            pair_path=paths["merchant_card_aggregates"],
            card_mapping={"card": "card_id", "payments": "card_payments"} if field_mapping else {},
        )
    )
    (folder / "features.py").write_text(
        _FEATURES.format(
            transaction_key=_key("transaction_id", "String", keys_in_schema),
            transaction_path=paths["transaction_features"],
            transaction_mapping={"amt": "amount"} if field_mapping else {},
            categories=",".join(CATEGORIES),
            service=SERVICE,
        )
    )
    content: dict[str, Any] = {
        "project": project,
        "registry": str(folder.resolve() / "registry.db"),
        "provider": provider,
        "online_store": {
            "type": STORES[layout],
            "hosts": list(hosts),
            "port": port,
            "keyspace": keyspace,
        },
        "batch_engine": {"type": "poc.online_store.arrow_engine.ArrowMaterializationEngine"},
        "offline_store": {"type": "file"},
        "entity_key_serialization_version": 2,
        **({} if blocks is None else blocks),
    }
    kept = {name: block for name, block in content.items() if block is not None}
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(kept, sort_keys=False))
    transactions = tables["transaction_features"].select(KEYS).to_pylist()
    return SecondRepository(folder, tables, transactions)


def _key(name: str, dtype: str, is_in_schema: bool) -> str:
    return f'Field(name="{name}", dtype={dtype}), ' if is_in_schema else ""


def _renamed(table: pa.Table, names: Mapping[str, str]) -> pa.Table:
    return table.rename_columns([names.get(name, name) for name in table.column_names])


def _tables(rows: int, now: datetime) -> dict[str, pa.Table]:
    made = random.Random(12)
    midnight = now.astimezone(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight - timedelta(days=DAYS)
    return {
        "transaction_features": _transactions(made, rows, start),
        "card_aggregates": _cards(made, start),
        "merchant_card_aggregates": _pairs(made, start),
    }


def _transactions(made: random.Random, rows: int, start: datetime) -> pa.Table:
    """Spread them evenly over the days, and the frauds over them: every eighth, and what chance adds."""
    moments = [start + timedelta(days=DAYS) * (place + 1) / (rows + 1) for place in range(rows)]
    moments = [moment.replace(microsecond=0) for moment in moments]
    frauds = [place % 8 == 3 or made.random() < 0.02 for place in range(rows)]
    return _with_times(
        {
            "transaction_id": pa.array([f"t{place:04d}" for place in range(rows)]),
            "card_id": pa.array([FIRST_CARD + made.randrange(CARDS) for _ in range(rows)], pa.int64()),
            "merchant_id": pa.array([f"m{made.randrange(MERCHANTS)}" for _ in range(rows)]),
            "amount": pa.array(
                [round(made.uniform(200, 900) if fraud else made.uniform(1, 300), 2) for fraud in frauds]
            ),
            "transaction_hour": pa.array([moment.hour for moment in moments], pa.int64()),
            "merchant_category": pa.array([made.choice(CATEGORIES) for _ in range(rows)]),
            "foreign_transaction": pa.array(
                [int(made.random() < (0.7 if fraud else 0.1)) for fraud in frauds], pa.int64()
            ),
            "is_fraud": pa.array([int(fraud) for fraud in frauds], pa.int64()),
        },
        moments,
    )


def _cards(made: random.Random, start: datetime) -> pa.Table:
    """Make one row a card and day."""
    known = [(FIRST_CARD + card, start + timedelta(days=day)) for day in range(DAYS) for card in range(CARDS)]
    return _with_times(
        {
            "card_id": pa.array([card for card, _ in known], pa.int64()),
            "card_payments": pa.array([made.randrange(40) for _ in known], pa.int64()),
            "card_mean_amount": pa.array([round(made.uniform(5, 250), 2) for _ in known]),
            "card_is_new": pa.array([made.random() < 0.2 for _ in known]),
        },
        [moment for _, moment in known],
    )


def _pairs(made: random.Random, start: datetime) -> pa.Table:
    """Make one row a merchant, card and five days."""
    known = [
        (f"m{merchant}", FIRST_CARD + card, start + timedelta(days=day))
        for day in range(0, DAYS, 5)
        for merchant in range(MERCHANTS)
        for card in range(CARDS)
    ]
    return _with_times(
        {
            "merchant_id": pa.array([merchant for merchant, _, _ in known]),
            "card_id": pa.array([card for _, card, _ in known], pa.int64()),
            "pair_payments": pa.array([made.randrange(10) for _ in known], pa.int32()),
            "pair_share": pa.array([round(made.random(), 3) for _ in known], pa.float32()),
        },
        [moment for _, _, moment in known],
    )


def _with_times(columns: dict[str, pa.Array], moments: Sequence[datetime]) -> pa.Table:
    written = [moment + timedelta(seconds=30) for moment in moments]
    return pa.table(
        columns | {"timestamp": pa.array(moments, TIME), "created_timestamp": pa.array(written, TIME)}
    )
