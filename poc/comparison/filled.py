"""Fill the stores that are compared where they are empty or differ, or say what to run."""

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from datetime import datetime, timezone

from feast import FeatureStore

from poc.comparison.methods import Key, Method
from poc.definitions import ServedFeatures, applied_view
from poc.errors import FeaturesNotMaterialized, OnlineTableMissing
from poc.feature_store import connection_of
from poc.materialization.direct import DirectTable
from poc.online_store.schema import ensure_keyspace, stored_table
from poc.online_store.session import Session, idempotent
from poc.retrieval.following import holds_rows
from poc.settings import Settings

Announce = Callable[[str], object]
Interval = tuple[datetime, datetime]

FIRST_ROW_SECONDS = 10.0
_KEYSPACE_CQL = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{}'"


def require_filled(
    store: FeatureStore, feast: Method, served: ServedFeatures, session: Session, probe: Sequence[Key]
) -> None:
    """Hold the online store behind `feast` to having some of `probe`.

    Raises:
        FeaturesNotMaterialized: it has none of them, or a view was never materialized.
        OnlineTableMissing: its keyspace is not there.
    """
    for view in served.feature_sets:
        if not applied_view(store, view.view).materialization_intervals:
            raise FeaturesNotMaterialized(f"Feature view {view.view}")
    keyspace = store.config.online_store.keyspace
    # Of a keyspace that is not there Feast's own provider says only that no host can be reached.
    if session.execute(idempotent(_KEYSPACE_CQL.format(keyspace))).one() is None:
        raise OnlineTableMissing(f"in keyspace {keyspace}, which is not there")
    if not any(feast.read(probe)):
        raise FeaturesNotMaterialized(f"The online store of feature service {served.service}")


def fill_direct_tables(
    settings: Settings, store: FeatureStore, served: ServedFeatures, session: Session, announce: Announce
) -> None:
    """Fill each direct table of the service that is empty, from its source, with what `store` holds.

    Raises:
        DirectTableDiffers: a table was made for other types or keys.
    """
    for definitions in served.feature_sets:
        table = DirectTable(store, settings.direct_keyspace, definitions.view)
        there = stored_table(session, table.layout) is not None
        if there and holds_rows(session, table.layout.qualified, FIRST_ROW_SECONDS):
            continue
        announce("Filling the direct table")
        ensure_keyspace(session, connection_of(store), settings.direct_keyspace)
        for start, end in merged(applied_view(store, definitions.view).materialization_intervals):
            table.fill(session, start, end)


def apply_same_features(origin: FeatureStore, rows: FeatureStore, served: ServedFeatures) -> None:
    """Apply to `rows` the features as the registry of `origin` has them. What is equal stays as it is."""
    views = []
    for definitions in served.feature_sets:
        applied = applied_view(origin, definitions.view)
        views.append(type(applied).from_proto(applied.to_proto()))
        # What was materialized there is not here.
        views[-1].materialization_intervals = []
    needed = {name for view in views for name in view.entities}
    entities = [entity for entity in origin.list_entities() if entity.name in needed]
    with redirect_stdout(sys.stderr):
        rows.apply([*entities, *views, origin.get_feature_service(served.service)])


def fill_alike(origin: FeatureStore, rows: FeatureStore, served: ServedFeatures) -> None:
    """Materialize into `rows` what is in `origin`."""
    with redirect_stdout(sys.stderr):
        for definitions in served.feature_sets:
            for start, end in merged(applied_view(origin, definitions.view).materialization_intervals):
                rows.materialize(start, end, feature_views=[definitions.view])


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals that overlap or touch; Feast records one a run, and hourly runs are many.

    Times without a zone are UTC, as Feast means them.
    """
    joined: list[Interval] = []
    for start, end in sorted((_utc(start), _utc(end)) for start, end in intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=timezone.utc) if time.tzinfo is None else time.astimezone(timezone.utc)
