"""What is to be compared: found filled, or filled, or an error that says what to run."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from cassandra.cluster import Session

from poc.comparison.agreement import differences
from poc.comparison.methods import CONSISTENCY, Method, public_call
from poc.comparison.row_layout import apply_same_features, fill_rows, merged
from poc.database.direct_table import DirectTable
from poc.database.keyspaces import ensure_configured_keyspaces
from poc.definitions import FeatureSet
from poc.errors import FeaturesNotMaterialized, OnlineTableMissing
from poc.feature_store import open_feature_store
from poc.materialization.direct import fill_direct_table
from poc.retrieval.tables import cassandra_failures
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

Announce = Callable[[str], object]

_KEYSPACE_CQL = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"


def require_filled(
    store: "FeatureStore",
    feast: Method,
    definitions: FeatureSet,
    session: Session,
    where: str,
    probe_ids: Sequence[str],
) -> None:
    """Hold the online store behind `feast` to having some of `probe_ids`.

    Raises:
        FeaturesNotMaterialized: it has none of them, or was never filled.
        OnlineTableMissing: its keyspace or table is not there.
    """
    if not store.get_feature_view(definitions.view).materialization_intervals:
        raise FeaturesNotMaterialized(f"Feature view {definitions.view}")
    keyspace = store.config.online_store.keyspace
    missing = OnlineTableMissing(f"for feature view {definitions.view} in keyspace {keyspace}")
    with cassandra_failures(where, lambda: missing):
        # Of a keyspace that is not there Feast's session says only that no host can be reached.
        if session.execute(_KEYSPACE_CQL, (keyspace,)).one() is None:
            raise missing
        if not any(feast.read(probe_ids)):
            raise FeaturesNotMaterialized(f"The online store of feature view {definitions.view}")


def fill_empty_direct(
    settings: Settings,
    store: "FeatureStore",
    definitions: FeatureSet,
    session: Session,
    where: str,
    announce: Announce,
) -> None:
    """Fill the direct table, where it is empty, from the Parquet with what `store` holds.

    Raises:
        FeaturesOutdated: it lacks a feature.
    """
    table = DirectTable(settings.direct_keyspace, definitions)
    with cassandra_failures(where, lambda: FeaturesNotMaterialized(table.qualified_name)):
        if table.is_empty(session):
            announce("Filling the direct table")
            ensure_configured_keyspaces(settings, session)
            for start, end in merged(store.get_feature_view(definitions.view).materialization_intervals):
                fill_direct_table(session, table, start, end)
        # Prepared here as well, so that a column that is not there is found out before Feast is asked.
        session.prepare(table.select_cql)


def filled_rows(
    settings: Settings,
    origin: "FeatureStore",
    feast: Method,
    definitions: FeatureSet,
    probe_ids: Sequence[str],
    announce: Announce,
    opened: ExitStack,
) -> Method:
    """Give the public call on the row store of `settings`, filled where it has other values than `feast`."""
    store = open_feature_store(settings)
    opened.callback(disconnect, store)
    apply_same_features(origin, store, settings.feature_service, definitions.view)
    method = public_call(
        "feast-rows", store, settings.feature_service, definitions.join_key, consistency_of(store)
    )
    answers = {feast.name: feast.read(probe_ids), method.name: method.read(probe_ids)}
    if differences(probe_ids, answers):
        announce("Filling the row store")
        fill_rows(origin, store, definitions.view)
    return method


def consistency_of(store: "FeatureStore") -> str:
    """Name the level that the store reads at; Feast's own store knows but one."""
    online_store = store.config.online_store
    level = getattr(online_store, "read_consistency_level", None)
    if level is None:
        level = getattr(online_store, "consistency_level", CONSISTENCY)
    return str(level)


def disconnect(store: "FeatureStore") -> None:
    """End the session of the online store; Feast's stock store offers no way to."""
    online_store = store._get_provider().online_store
    if hasattr(online_store, "close"):
        online_store.close()
    elif (session := getattr(online_store, "_session", None)) is not None:
        session.cluster.shutdown()
