"""The stores that a materialization fills: how each is read, and what it was filled from."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from poc.definitions import FeatureSet, applied_view
from poc.errors import FeaturesNotMaterialized
from poc.feature_store import connection_of
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.monitoring.stored_rows import Read, read_directly, read_through_feast
from poc.online_store.layout import direct_layout
from poc.online_store.naming import Table, online_tables
from poc.online_store.session import Session
from poc.online_store.view_reader import RowReader

if TYPE_CHECKING:
    from feast import FeatureStore

KEYS_PER_STATEMENT = 20


@dataclass(frozen=True, slots=True)
class FilledStore:
    """One store of a view.

    Attributes:
        name: for a person.
        read: reads every feature of the view, whichever of them the service takes.
        table: where Cassandra has the view; None for a store whose tables are not known.
        run: the last recorded run; for the direct table, which runs into any store fill, the furthest.
        kept_for: age from which the store itself removes a row; None if it never does.
    """

    name: str
    read: Read
    table: Table | None
    run: MaterializationRun
    kept_for: timedelta | None


def filled_stores(
    store: "FeatureStore", session: Session, direct_keyspace: str, definitions: FeatureSet
) -> tuple[FilledStore, FilledStore]:
    """Return the online store that `store` is configured with, and the direct table.

    Args:
        store: Feast.
        session: reads the record and the direct table.
        direct_keyspace: where they are.
        definitions: the view.

    Raises:
        FeaturesNotMaterialized: no run into that online store was recorded.
        OnlineTableMissing, FeaturesOutdated: there is no direct table, or it has another key or type.
    """
    view, online_store = definitions.view, store.config.online_store
    runs = MaterializationRecord(direct_keyspace, store.project).last_of_each_store(session, view)
    run = runs.get(online_store.type)
    if run is None:
        raise FeaturesNotMaterialized(f"Feature view {view}")
    connection = connection_of(store)
    tables = online_tables(connection.keyspace, store.project, view)
    seconds = getattr(online_store, "ttl_seconds", None)
    layout = direct_layout(direct_keyspace, store.project, applied_view(store, view))
    reader = RowReader(session, layout, None, connection, KEYS_PER_STATEMENT)
    return (
        FilledStore(
            "Feast online store",
            read_through_feast(store, definitions),
            tables.get(online_store.type),
            run,
            None if seconds is None else timedelta(seconds=seconds),
        ),
        FilledStore(
            "Direct table",
            read_directly(reader, definitions),
            (layout.keyspace, layout.table),
            # Runs into any online store fill the same direct table.
            max(runs.values(), key=lambda item: item.covered_until),
            None,
        ),
    )
