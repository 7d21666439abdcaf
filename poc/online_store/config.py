"""The settings under `online_store:` of a feature_store.yaml.

The stock Cassandra store's keys keep their names and meanings, so that changing `type:` is enough.
"""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Annotated, Any

from cassandra import ConsistencyLevel
from feast.repo_config import FeastConfigBaseModel
from pydantic import AfterValidator, Field, PrivateAttr, StrictStr, field_validator, model_validator

from poc.online_store.connection import POLICIES
from poc.online_store.keyed_reads import KEYS_PER_STATEMENT

# Cassandra refuses a longer time to live: 20 years.
MAX_TTL_SECONDS = 630_720_000
# And one that ends later, in tables of the format that it writes unless `storage_compatibility_mode` is NONE.
LAST_EXPIRY = datetime(2038, 1, 19, 3, 14, 6, tzinfo=timezone.utc)


def _one_of(known: Sequence[str]) -> AfterValidator:
    def checked(name: str) -> str:
        if name not in known:
            raise ValueError(f"is none of {', '.join(known)}")
        return name

    return AfterValidator(checked)


def _can_expire(ttl_seconds: int) -> int:
    """Refuse a time to live that Cassandra would refuse at the first write of a row that is new."""
    longest = int((LAST_EXPIRY - datetime.now(timezone.utc)).total_seconds())
    if ttl_seconds > longest:
        raise ValueError(
            f"Cassandra keeps no row with a time to live beyond {LAST_EXPIRY:%Y-%m-%dT%H:%M:%SZ}:"
            f" state at most {longest} today, or leave it out, and rows stay"
        )
    return ttl_seconds


# ANY reads nothing, and takes for written what no replica has.
_CONSISTENCIES = [
    level for level in ConsistencyLevel.name_to_value if level != "ANY" and not level.endswith("SERIAL")
]
Consistency = Annotated[StrictStr, _one_of(_CONSISTENCIES)]
PositiveInt = Annotated[int, Field(strict=True, ge=1)]


class LoadBalancing(FeastConfigBaseModel):  # type: ignore[misc]
    """The stock store's block of the same name; single-row statements always go to a replica."""

    load_balancing_policy: Annotated[StrictStr, _one_of(POLICIES)]
    local_dc: StrictStr = "datacenter1"


class Tls(FeastConfigBaseModel):  # type: ignore[misc]
    """Encryption between Feast and Cassandra. Files are PEM, paths relative to the feature repository.

    Attributes:
        ca: certificates that a node's must descend from.
        cert: ours, where the nodes ask for one; with `key`.
        key: its private key, without a password.
        check_hostname: whether a node's certificate must name the address that it was reached at.
    """

    ca: StrictStr
    cert: StrictStr | None = None
    key: StrictStr | None = None
    check_hostname: bool = True

    @model_validator(mode="after")
    def _pair(self) -> "Tls":
        if (self.cert is None) != (self.key is None):
            raise ValueError("cert and key go together: state both or neither")
        return self


class RowStoreSettings(FeastConfigBaseModel):  # type: ignore[misc]
    """Every key but `type`, by its name and meaning in docs/online_store.md; None is not stated."""

    hosts: Annotated[list[StrictStr], Field(min_length=1)] | None = None
    secure_bundle_path: StrictStr | None = None
    port: Annotated[int, Field(strict=True, ge=1, le=65535)] | None = None
    keyspace: Annotated[StrictStr, Field(pattern=r"^\w{1,48}$")] = "feast_keyspace"
    replication_factor: PositiveInt | None = None
    replication: Annotated[dict[StrictStr, PositiveInt], Field(min_length=1)] | None = None
    username: StrictStr | None = None
    password: StrictStr | None = Field(None, repr=False)
    tls: Tls | None = None
    protocol_version: Annotated[int, Field(strict=True, ge=3, le=5)] | None = None
    consistency_level: Consistency = "LOCAL_ONE"
    read_consistency_level: Consistency | None = None
    request_timeout: Annotated[float, Field(gt=0)] = 10.0
    connect_timeout: Annotated[float, Field(gt=0)] = 5.0
    ttl_seconds: (
        Annotated[int, Field(strict=True, ge=1, le=MAX_TTL_SECONDS), AfterValidator(_can_expire)] | None
    ) = None
    speculative_execution_delay_ms: PositiveInt | None = None
    compression: bool = False
    local_dc: StrictStr | None = None
    load_balancing: LoadBalancing | None = None
    read_concurrency: PositiveInt = 100
    read_keys_per_statement: Annotated[int, Field(strict=True, ge=1, le=100)] = KEYS_PER_STATEMENT
    write_concurrency: PositiveInt = 100

    # Of views that this process fills anew, the generation that takes every write; it goes with the settings
    # to Spark's executors.
    _filling: dict[str, int] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: Any) -> Any:
        # `port:` with nothing after it is null in YAML: the stock store takes that as not stated. An
        # environment variable that is empty leaves an empty text.
        if isinstance(values, dict):
            return {key: value for key, value in values.items() if value is not None and value != ""}
        return values

    @field_validator("hosts", mode="before")
    @classmethod
    def _split_hosts(cls, stated: Any) -> Any:
        """Take one name, or several with commas between them, as well as a list."""
        listed = [stated] if isinstance(stated, str) else stated
        if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
            return stated
        return [part.strip() for item in listed for part in item.split(",") if part.strip()]

    @model_validator(mode="after")
    def _consistent(self) -> "RowStoreSettings":
        if (self.hosts is None) == (self.secure_bundle_path is None):
            raise ValueError("state exactly one of hosts and secure_bundle_path")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password go together: state both or neither")
        if self.replication_factor is not None and self.replication is not None:
            raise ValueError("state replication_factor or replication, not both")
        if self.tls is not None and self.secure_bundle_path is not None:
            raise ValueError("tls goes with hosts: a secure_bundle_path brings its own certificates")
        return self
