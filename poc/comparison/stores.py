"""The two stores that are compared: found filled, or filled, or an error that says what to run.

The only module here that knows settings, Feast's store and the direct table; what it opens is
compared by `poc.comparison.comparison`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from cassandra.cluster import Session

from poc.comparison.comparison import Comparison, Request, run_comparison
from poc.comparison.machine import versions_of
from poc.comparison.methods import Method, direct_cassandra, feast_stock
from poc.database.direct_table import DirectTable
from poc.database.keyspaces import ensure_configured_keyspaces
from poc.dataset.stored import sample_ids
from poc.definitions import FeatureSet, read_definitions
from poc.errors import FeaturesNotMaterialized, OnlineTableMissing
from poc.feature_store import applied_features, open_feature_store
from poc.materialization.direct import fill_direct_table
from poc.retrieval.tables import cassandra_failures
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

Interval = tuple[datetime, datetime]

_KEYSPACE_CQL = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s"


def compare_stores(
    settings: Settings,
    session: Session,
    where: str,
    request: Request,
    announce: Callable[[str], object] = lambda what: None,
    progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Open both stores, and compare them on transactions of the prepared Parquet.

    Args:
        settings: which feature repository, service and direct keyspace.
        session: where the direct table is.
        where: the cluster, for messages.
        request: what to measure.
        announce: told what is going on.
        progress: called after each round of reads.

    Raises:
        PocError: as `open_methods` and `run_comparison`; and what says that the Parquet is not there.
    """
    ids = sample_ids(read_definitions(settings), request.pool, seed=request.seed)
    with open_methods(settings, session, where, ids, announce) as methods:
        announce("Reading")
        with cassandra_failures(where, lambda: FeaturesNotMaterialized("A table that was being read")):
            return run_comparison(methods, ids, request, versions_of(session), progress)


@contextmanager
def open_methods(
    settings: Settings,
    session: Session,
    where: str,
    probe_ids: Sequence[str],
    announce: Callable[[str], object] = lambda what: None,
) -> Iterator[tuple[Method, ...]]:
    """Give the ways to compare, the baseline first, each ready to read until the block ends.

    An empty direct table is filled from the Parquet with the intervals that the online store holds.

    Args:
        settings: which feature repository, service and direct keyspace.
        session: where the direct table is; Feast connects by itself, as the yaml says.
        where: the cluster, for messages.
        probe_ids: transactions of which at least one must be online.
        announce: told when the direct table has to be filled.

    Raises:
        FeaturesNotApplied: the registry does not know the service, or the online store lacks the table.
        FeaturesNotMaterialized: the online store holds none of `probe_ids`.
        FeaturesOutdated: the direct table lacks a feature.
        CassandraUnavailable: no answer.
    """
    store = open_feature_store(settings)
    definitions = applied_features(store, settings.feature_service)
    try:
        feast = _filled_feast(settings, store, definitions, session, where, probe_ids)
        yield _filled_direct(settings, store, definitions, session, where, announce), feast
    finally:
        _disconnect(store)


def _filled_feast(
    settings: Settings,
    store: "FeatureStore",
    definitions: FeatureSet,
    session: Session,
    where: str,
    probe_ids: Sequence[str],
) -> Method:
    if not store.get_feature_view(definitions.view).materialization_intervals:
        raise FeaturesNotMaterialized(f"Feature view {definitions.view}")
    feast = feast_stock(store, settings.feature_service, definitions.join_key)
    keyspace = store.config.online_store.keyspace
    missing = OnlineTableMissing(f"for feature view {definitions.view} in keyspace {keyspace}")
    with cassandra_failures(where, lambda: missing):
        # Of a keyspace that is not there Feast's session says only that no host can be reached.
        if session.execute(_KEYSPACE_CQL, (keyspace,)).one() is None:
            raise missing
        if not any(feast.read(probe_ids)):
            raise FeaturesNotMaterialized(f"The online store of feature view {definitions.view}")
    return feast


def _filled_direct(
    settings: Settings,
    store: "FeatureStore",
    definitions: FeatureSet,
    session: Session,
    where: str,
    announce: Callable[[str], object],
) -> Method:
    table = DirectTable(settings.direct_keyspace, definitions)
    with cassandra_failures(where, lambda: FeaturesNotMaterialized(table.qualified_name)):
        if table.is_empty(session):
            announce("Filling the direct table")
            ensure_configured_keyspaces(settings, session)
            for start, end in merged(store.get_feature_view(definitions.view).materialization_intervals):
                fill_direct_table(session, table, start, end)
        return direct_cassandra(session, table)


def _disconnect(store: "FeatureStore") -> None:
    """End the session of Feast's stock store, which offers no way to."""
    session = getattr(store._get_provider().online_store, "_session", None)
    if session is not None:
        session.cluster.shutdown()


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
