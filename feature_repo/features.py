"""What the features are. Every other place that needs a name, a type or a range reads it from here.

Tags of a field state what a valid value is, and the dataset's checks hold every batch to them:
`min` and `max` bound a number (both inclusive), `values` lists the allowed strings. `max_psi` is how far
the values of a batch may drift from those that the model was trained on, as a population stability index:
up to 0.1 is usually read as none, from 0.25 on as a major shift. Without it drift is reported only.
"""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.feature_logging import LoggingConfig
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.types import Float64, Int64, String

OWNER = "fraud-platform@example.com"

transaction = Entity(
    name="transaction",
    join_keys=["transaction_id"],
    value_type=ValueType.STRING,
    description="One card payment, known by its transaction id.",
    owner=OWNER,
)

transaction_source = FileSource(
    name="transaction_source",
    path="data/credit_card_fraud_10k.parquet",
    timestamp_field="timestamp",
    created_timestamp_column="created_timestamp",
    description="Card payments with the features known at the time of each.",
    owner=OWNER,
)

transaction_features = FeatureView(
    name="transaction_features",
    entities=[transaction],
    ttl=timedelta(days=30),
    schema=[
        # The join key is declared too: Feast then has no need to read the Parquet when it applies.
        Field(name="transaction_id", dtype=String),
        Field(
            name="amount",
            dtype=Float64,
            description="Amount of the payment, in the card's currency.",
            tags={"min": "0", "max_psi": "0.25"},
        ),
        Field(
            name="transaction_hour",
            dtype=Int64,
            description="Hour of the day of the payment, UTC.",
            # No max_psi: a batch of one hour has that hour only.
            tags={"min": "0", "max": "23"},
        ),
        Field(
            name="merchant_category",
            dtype=String,
            description="What the merchant sells.",
            tags={"values": "Clothing,Electronics,Food,Grocery,Travel", "max_psi": "0.25"},
        ),
        Field(
            name="foreign_transaction",
            dtype=Int64,
            description="1 if the merchant is abroad, else 0.",
            tags={"min": "0", "max": "1", "max_psi": "0.25"},
        ),
        Field(
            name="location_mismatch",
            dtype=Int64,
            description="1 if the payment's place is not where the cardholder is known to be, else 0.",
            tags={"min": "0", "max": "1", "max_psi": "0.25"},
        ),
        Field(
            name="device_trust_score",
            dtype=Int64,
            description="Trust in the paying device, 0 (none) to 100 (full).",
            tags={"min": "0", "max": "100", "max_psi": "0.25"},
        ),
        Field(
            name="velocity_last_24h",
            dtype=Int64,
            description="Payments with this card in the 24 hours before.",
            tags={"min": "0", "max_psi": "0.25"},
        ),
        Field(
            name="cardholder_age",
            dtype=Int64,
            description="Age of the cardholder, in years.",
            tags={"min": "0", "max": "120", "max_psi": "0.25"},
        ),
    ],
    online=True,
    source=transaction_source,
    description="What is known of a card payment when it is to be judged.",
    tags={"team": "fraud"},
    owner=OWNER,
)

fraud_detection_v1 = FeatureService(
    name="fraud_detection_v1",
    features=[transaction_features],
    description="The inputs of the fraud_detection model.",
    tags={"model": "fraud_detection"},
    # Where scripts/log_features.py logs what is served, and `feast validate` finds it.
    logging_config=LoggingConfig(destination=FileLoggingDestination(path="data/feature_logs")),
    owner=OWNER,
)
