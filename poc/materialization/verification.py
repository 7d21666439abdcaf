"""Whether the online store gives what the sources say, read through Feast's public call."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL

from poc.dataset.stored import Key, StoredRow, latest_rows, newest_event, sample_view
from poc.dataset.values import same_value
from poc.definitions import FeatureSet, ServedFeatures, ServedView
from poc.errors import FeaturesNotMaterialized, FeaturesOutdated, OnlineTableMissing
from poc.feature_store import connection_of, kept_for
from poc.online_store.failures import cassandra_failures

if TYPE_CHECKING:
    from feast import FeatureStore

# A row may be gone this long before we know that its time is over: clocks differ, and reading takes a while.
_MARGIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """One online value that is not the offline one."""

    key: Key
    feature: str
    online: object
    offline: object

    def __str__(self) -> str:
        return f"{spoken(self.key)}.{self.feature}: online {self.online!r}, offline {self.offline!r}"


@dataclass(frozen=True, slots=True)
class Check:
    """One entity, read and compared with those views whose source has something current of it."""

    key: Key
    latency_ms: float
    compared: tuple[str, ...]
    differences: tuple[Difference, ...]


def gone_until(kept_for: timedelta | None, now: datetime) -> datetime | None:
    """Return the newest event time whose row a store that keeps rows `kept_for` may have removed by `now`.

    None where it removes none.
    """
    return None if kept_for is None else now - kept_for + _MARGIN


def spoken(key: Key) -> str:
    """Write the join keys of an entity as a person would: the only one by itself."""
    return "/".join(map(str, key))


def read_view(store: "FeatureStore", definitions: FeatureSet, keys: Sequence[Key]) -> list[dict[str, Any]]:
    """Read every feature of a view for `keys`, in their order: a dict by name each, all None if unknown.

    By the view's names, not through the feature service: a service may take only some of them.
    """
    names = [f"{definitions.view}:{name}" for name in definitions.names]
    dummy = {} if definitions.join_keys else {DUMMY_ENTITY_ID: DUMMY_ENTITY_VAL}
    rows = [dict(zip(definitions.key_names, key, strict=True)) | dummy for key in keys]
    with cassandra_failures(connection_of(store)):
        answer = store.get_online_features(names, rows).to_dict()
    return [{name: answer[name][row] for name in definitions.names} for row in range(len(keys))]


def online_store_holds(store: "FeatureStore", definitions: FeatureSet, count: int) -> bool:
    """Tell whether the online store has a value for any of `count` samples.

    A missing or outdated table has none. A store that has removed every row by itself lacks nothing.
    """
    gone = gone_until(kept_for(store), datetime.now(timezone.utc))
    keys = sample_view(definitions, count, after=gone)
    if not keys:
        return gone is not None
    try:
        rows = read_view(store, definitions, keys)
    except (OnlineTableMissing, FeaturesOutdated):
        return False
    return any(value is not None for row in rows for value in row.values())


def differences(
    key: Key, online: Mapping[str, Any], offline: Mapping[str, Any], names: Sequence[str]
) -> tuple[Difference, ...]:
    """Name those of the features `names` whose online value is not the offline one."""
    return tuple(
        Difference(key, name, online.get(name), offline[name])
        for name in names
        if not same_value(online.get(name), offline[name])
    )


def check_entities(store: "FeatureStore", served: ServedFeatures, keys: Sequence[Key]) -> Iterator[Check]:
    """Read each entity through the feature service by itself, timed, and compare it with the sources.

    What a store may have removed by itself, and what was stale before it could be written, is not missed.

    Raises FeaturesNotMaterialized: the online store has none of them, and should.
    """
    service, kept = store.get_feature_service(served.service), kept_for(store)
    rows = [dict(zip(served.key_names, key, strict=True)) for key in keys]
    offline = [_current_rows(view, rows) for view in served.views]
    with cassandra_failures(connection_of(store)):
        # This read also connects and prepares; none of those below is the first.
        answer = store.get_online_features(service, rows).to_dict()
    expected = [row for known in offline for row in known.values() if not _is_older(row, kept)]
    if (expected or kept is None) and all(value is None for name in served.names for value in answer[name]):
        raise FeaturesNotMaterialized(f"The online store of feature service {served.service}")
    for key, row in zip(keys, rows, strict=True):
        with cassandra_failures(connection_of(store)):
            start = time.perf_counter()
            answer = store.get_online_features(service, [row]).to_dict()
            latency_ms = (time.perf_counter() - start) * 1000
        online = {name: answer[name][0] for name in served.names}
        compared: list[str] = []
        found: list[Difference] = []
        for view, known in zip(served.views, offline, strict=True):
            stored = known.get(_key_of(view, row))
            if stored is None:
                continue
            absent = all(online[name] is None for name in view.names)
            if absent and (_is_older(stored, kept) or _is_older(stored, view.definitions.ttl)):
                continue
            compared.append(view.definitions.view)
            found += differences(key, online, stored.values, view.names)
        yield Check(key, latency_ms, tuple(compared), tuple(found))


def _is_older(row: StoredRow, age: timedelta | None) -> bool:
    return age is not None and datetime.now(timezone.utc) - row.event_timestamp >= age - _MARGIN


def _current_rows(view: ServedView, rows: Sequence[Mapping[str, Any]]) -> dict[Key, StoredRow]:
    """Read what the source says of entities by now, without what is too old to be online."""
    definitions, now = view.definitions, datetime.now(timezone.utc)
    found = latest_rows(definitions, list({_key_of(view, row) for row in rows}), as_of=now)
    newest, ttl = newest_event(definitions, before=now), definitions.ttl
    if newest is None or ttl is None:
        return found
    return {key: row for key, row in found.items() if newest - row.event_timestamp <= ttl}


def _key_of(view: ServedView, row: Mapping[str, Any]) -> Key:
    return tuple(row[name] for name in view.request_keys)
