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


def read_online(store: "FeatureStore", definitions: FeatureSet, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Read every feature of the view for `ids`, in their order: a dict by name each, all None if unknown.

    By the view's names, not through the feature service: a service may take only some of them.
    """
    names = [f"{definitions.view}:{name}" for name in definitions.names]
    answer = store.get_online_features(names, [{definitions.join_key: item} for item in ids]).to_dict()
    return [{name: answer[name][row] for name in definitions.names} for row in range(len(ids))]


def online_store_holds(store: "FeatureStore", definitions: FeatureSet, ids: Sequence[str]) -> bool:
    """Tell whether the online store has a value for any of `ids`; a missing table has none."""
    try:
        rows = read_online(store, definitions, ids)
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


def check_transactions(store: "FeatureStore", definitions: FeatureSet, ids: Sequence[str]) -> Iterator[Check]:
    """Read each of `ids` by itself, timed, and compare it with the newest row of the Parquet.

    Raises:
        FeaturesNotMaterialized: the online store has none of them.
    """
    offline = latest_rows(definitions, ids)
    if not online_store_holds(store, definitions, ids):
        raise FeaturesNotMaterialized(f"Online store table of {definitions.view}")
    for item in ids:
        start = time.perf_counter()
        [online] = read_online(store, definitions, [item])
        latency_ms = (time.perf_counter() - start) * 1000
        yield Check(item, latency_ms, differences(item, online, offline[item]))
