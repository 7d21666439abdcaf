"""Whether the online store gives what the sources say, read through Feast's public call."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from poc.dataset.stored import Key, KnownRow, latest_rows, newest_event, sample_view
from poc.dataset.values import Difference, same_value
from poc.definitions import FeatureSet, ServedFeatures, ServedView
from poc.errors import FeaturesNotMaterialized, FeaturesOutdated, OnlineTableMissing, OnlineValuesDiffer
from poc.feature_store import connection_of, kept_for
from poc.materialization.offline import keys_in_interval
from poc.materialization.stored_rows import NEVER_WRITTEN, through_feast
from poc.online_store.failures import cassandra_failures

if TYPE_CHECKING:
    from feast import FeatureStore

# A row may be gone this long before we know that its time is over: clocks differ, and reading takes a while.
_MARGIN = timedelta(minutes=1)
SAMPLES = 5


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


def online_store_holds(store: "FeatureStore", definitions: FeatureSet, count: int) -> bool:
    """Tell whether the online store has any of `count` samples.

    A missing or outdated table has none. A store that has removed every row by itself lacks nothing.
    """
    gone = gone_until(kept_for(store), datetime.now(timezone.utc))
    keys = sample_view(definitions, count, after=gone)
    if not keys:
        return gone is not None
    try:
        with cassandra_failures(connection_of(store)):
            return any(row is not None for row in through_feast(store, definitions)(keys))
    except (OnlineTableMissing, FeaturesOutdated):
        return False


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
        answered = store.get_online_features(service, rows).proto
    expected = [row for known in offline for row in known.values() if not _is_older(row, kept)]
    columns = zip(answered.metadata.feature_names.val, answered.results, strict=True)
    # A null that was written is there, too.
    statuses = {status for name, column in columns if name in served.names for status in column.statuses}
    if (expected or kept is None) and FieldStatus.PRESENT not in statuses:
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
            found += _differences(row, online, stored.values, view.names)
        yield Check(key, latency_ms, tuple(compared), tuple(found))


def _differences(
    key: Mapping[str, object], online: Mapping[str, Any], offline: Mapping[str, Any], names: Sequence[str]
) -> Iterator[Difference]:
    """Find those of the features `names` whose online value is not the offline one."""
    for name in names:
        if not same_value(online.get(name), offline[name]):
            yield Difference(key, name, online.get(name), offline[name])


def _is_older(row: KnownRow, age: timedelta | None) -> bool:
    return age is not None and datetime.now(timezone.utc) - row.event_timestamp >= age - _MARGIN


def _current_rows(view: ServedView, rows: Sequence[Mapping[str, Any]]) -> dict[Key, KnownRow]:
    """Read what the source says of entities by now, without what is too old to be online."""
    definitions, now = view.definitions, datetime.now(timezone.utc)
    found = latest_rows(definitions, list({_key_of(view, row) for row in rows}), as_of=now)
    newest, ttl = newest_event(definitions, before=now), definitions.ttl
    if newest is None or ttl is None:
        return found
    return {key: row for key, row in found.items() if newest - row.event_timestamp <= ttl}


def _key_of(view: ServedView, row: Mapping[str, Any]) -> Key:
    return tuple(row[name] for name in view.request_keys)


def check_samples(
    store: "FeatureStore", definitions: FeatureSet, covered_from: datetime, covered_until: datetime
) -> tuple[str, ...]:
    """Compare samples, online against offline: entities whose newest row was materialized by now.

    Those that the store may have removed by itself are none, nor those with a newer value pushed since.
    Returns the entities that were compared, as a person would write them.

    Raises OnlineValuesDiffer: one has another value.
    """
    now = datetime.now(timezone.utc)
    gone = gone_until(kept_for(store), now)
    since = covered_from if gone is None else max(gone, covered_from)
    keys = keys_in_interval(definitions, since, covered_until, 20 * SAMPLES)
    latest = latest_rows(definitions, keys, now).items()
    inside = [(key, row) for key, row in latest if since <= row.event_timestamp < covered_until]
    samples = dict(inside[:SAMPLES])
    if not samples:
        return ()
    with cassandra_failures(connection_of(store)):
        stored = through_feast(store, definitions)(list(samples))
    found: list[Difference] = []
    for (key, row), held in zip(samples.items(), stored, strict=True):
        if held is not None and held.event_time is not None and held.event_time > row.event_timestamp:
            continue  # Pushed since.
        pairs = zip(definitions.names, () if held is None else held.values, strict=False)
        online = {name: value for name, value in pairs if value is not NEVER_WRITTEN}
        entity = dict(zip(definitions.key_names, key, strict=True))
        found += _differences(entity, online, row.values, definitions.names)
    if found:
        raise OnlineValuesDiffer(list(map(str, found)))
    return tuple("/".join(map(str, key)) for key in samples)
