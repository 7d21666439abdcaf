"""The stores that a materialization fills: how each is read, and what it was filled from."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cassandra import InvalidRequest
from cassandra.cluster import Session

from poc.database.direct_table import DirectTable
from poc.database.endpoint import Endpoint, configured_endpoint
from poc.database.materializations import TABLE, MaterializationRecord, MaterializationRun
from poc.database.sessions import idempotent
from poc.definitions import FeatureSet
from poc.errors import FeaturesNotMaterialized
from poc.retrieval.acsylla_session import endpoint_connection
from poc.retrieval.direct_source import direct_lookup
from poc.retrieval.driver_rows import DriverRows
from poc.retrieval.feast_source import open_online_store
from poc.retrieval.plan import ReadPlan
from poc.retrieval.reads import CassandraReads, Reads
from poc.retrieval.tables import cassandra_failures
from poc.retrieval.values import proto_field
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

    from poc.online_store.connection import ConnectionSettings


@dataclass(frozen=True, slots=True)
class FilledStore:
    """One store of a view.

    Attributes:
        name: for a person.
        reads: of every feature of the view, whichever of them the service takes.
        connection: gives the way that acsylla takes; None where the store cannot be read with it.
        run: the last recorded run; for the direct table, which runs into any store fill, the furthest.
        kept_for: age from which the store itself removes a row; None if it never does.
    """

    name: str
    reads: Reads
    connection: "Callable[[], ConnectionSettings] | None"
    run: MaterializationRun
    kept_for: timedelta | None


@contextmanager
def filled_stores(
    settings: Settings, store: "FeatureStore", session: Session, definitions: FeatureSet
) -> Iterator[tuple[FilledStore, FilledStore]]:
    """Give the online store that `store` is configured with, and the direct table, until the block ends.

    Args:
        settings: where they are, and the longest that a read may take.
        store: Feast.
        session: reads the record and the direct table.
        definitions: the view.

    Raises:
        FeaturesNotMaterialized: no run into that online store was recorded.
        FeaturesOutdated: a table lacks a column.
        CassandraUnavailable: no host accepts a connection.
    """
    runs = _last_runs(session, settings.direct_keyspace, definitions.view)
    run = runs.get(store.config.online_store.type)
    if run is None:
        raise FeaturesNotMaterialized(f"Feature view {definitions.view}")
    endpoint = configured_endpoint(settings)
    opened = open_online_store(store, settings)
    try:
        seconds = getattr(store.config.online_store, "ttl_seconds", None)
        yield (
            FilledStore(
                "Feast online store",
                opened.reads(_whole_view(store, definitions)),
                getattr(opened, "connection", None),
                run,
                None if seconds is None else timedelta(seconds=seconds),
            ),
            FilledStore(
                "Direct table",
                _direct_reads(endpoint, settings.direct_keyspace, session, definitions),
                lambda: endpoint_connection(endpoint, settings.feature_timeout_seconds),
                # Runs into any online store fill the same direct table.
                max(runs.values(), key=lambda item: item.covered_until),
                None,
            ),
        )
    finally:
        opened.close()


def _whole_view(store: "FeatureStore", definitions: FeatureSet) -> ReadPlan:
    """Read every feature of the view, whichever of them the service takes."""
    view = store.get_feature_view(definitions.view)
    return ReadPlan(
        table=view,
        view=view.name,
        join_key=definitions.join_key,
        fields=tuple((item.name, proto_field(item.dtype)) for item in view.features),
        ttl=definitions.ttl,
        materialized=True,
    )


def _direct_reads(
    endpoint: Endpoint, keyspace: str, session: Session, definitions: FeatureSet
) -> CassandraReads:
    lookup = direct_lookup(DirectTable(keyspace, definitions))
    with cassandra_failures(str(endpoint), lookup.missing):
        rows = DriverRows(session, lookup.cql, endpoint.read_consistency)
    return CassandraReads(lookup, str(endpoint), session, rows)


def _last_runs(session: Session, keyspace: str, view: str) -> dict[str, MaterializationRun]:
    """Give the last recorded run of `view` into each online store, by the store's type."""
    record = MaterializationRecord(keyspace)
    known = idempotent(f'SELECT DISTINCT online_store, feature_view FROM "{keyspace}".{TABLE}')
    try:
        partitions = session.execute(known)
    except InvalidRequest:
        return {}  # There is no such table yet.
    found = {
        row.online_store: record.last(session, row.online_store, view)
        for row in partitions
        if row.feature_view == view
    }
    return {name: run for name, run in found.items() if run is not None}
