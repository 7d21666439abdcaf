"""Whether the online store gives what the Parquet says, read through Feast's public call."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cassandra import InvalidRequest

from poc.dataset.stored import StoredRow, latest_rows
from poc.definitions import FeatureSet
from poc.errors import FeaturesNotMaterialized

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True, slots=True)
class Difference:
    """One online value that is not the offline one.

    Attributes:
        transaction_id: whose it is.
        feature: its name.
        online: what the online store gave; None for nothing.
        offline: what the Parquet says.
    """

    transaction_id: str
    feature: str
    online: object
    offline: object

    def __str__(self) -> str:
        return f"{self.transaction_id}.{self.feature}: online {self.online!r}, offline {self.offline!r}"


@dataclass(frozen=True, slots=True)
class Check:
    """One transaction read and compared.

    Attributes:
        transaction_id: which.
        latency_ms: how long Feast's call took.
        differences: the features whose online value is not exactly the offline one, in declared order.
    """

    transaction_id: str
    latency_ms: float
    differences: tuple[Difference, ...]


def read_online(
    store: "FeatureStore", service_name: str, join_key: str, ids: Sequence[str]
) -> list[dict[str, Any]]:
    """Read the features of `ids`, in their order: a dict by feature name each, all None if unknown."""
    service = store.get_feature_service(service_name)
    answer = store.get_online_features(service, [{join_key: item} for item in ids]).to_dict()
    names = [name for name in answer if name != join_key]
    return [{name: answer[name][row] for name in names} for row in range(len(ids))]


def online_store_holds(store: "FeatureStore", service_name: str, join_key: str, ids: Sequence[str]) -> bool:
    """Tell whether the online store has a value for any of `ids`; a missing table has none."""
    try:
        rows = read_online(store, service_name, join_key, ids)
    except InvalidRequest:
        return False
    return any(value is not None for row in rows for value in row.values())


def differences(transaction_id: str, online: dict[str, Any], offline: StoredRow) -> tuple[Difference, ...]:
    """Name the features whose online value is not exactly the offline one, in declared order."""
    return tuple(
        Difference(transaction_id, name, online.get(name), value)
        for name, value in offline.values.items()
        if online.get(name) != value
    )


def check_transactions(
    store: "FeatureStore", service_name: str, definitions: FeatureSet, ids: Sequence[str]
) -> Iterator[Check]:
    """Read each of `ids` by itself, timed, and compare it with the newest row of the Parquet.

    Raises:
        FeaturesNotMaterialized: the online store has none of them.
    """
    offline = latest_rows(definitions, ids)
    if not online_store_holds(store, service_name, definitions.join_key, ids):
        raise FeaturesNotMaterialized(f"Online store table of {definitions.view}")
    service = store.get_feature_service(service_name)
    for item in ids:
        start = time.perf_counter()
        answer = store.get_online_features(service, [{definitions.join_key: item}]).to_dict()
        latency_ms = (time.perf_counter() - start) * 1000
        online = {name: values[0] for name, values in answer.items()}
        yield Check(item, latency_ms, differences(item, online, offline[item]))
