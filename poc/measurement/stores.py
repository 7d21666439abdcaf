"""The stores that are compared: each way to read them opened, and filled where it is empty or differs."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from feast import FeatureStore, RepoConfig
from feast.feature_view import DUMMY_ENTITY_NAME
from feast.utils import make_tzaware

from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures, applied_service, applied_view
from poc.errors import CassandraUnavailable, FeaturesNotMaterialized, OnlineTableMissing
from poc.feature_store import close_feature_store, connection_of, kept_for, read_for_serving
from poc.materialization.direct import DirectTable
from poc.materialization.offline import interval_fingerprint
from poc.materialization.rebuild import drop_left, new_generation
from poc.materialization.verification import gone_until
from poc.measurement import reads
from poc.measurement.comparison import BASELINE, DIRECT_IN, KNOWN, Request, differences, run_comparison
from poc.measurement.core import Key, Method, Read, measured_on
from poc.measurement.place import (
    LOCAL_PROVIDER,
    Place,
    chosen_methods,
    configuration,
    feature_server,
    keeps_rows,
    open_configuration,
    rows_configuration,
)
from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import Content
from poc.online_store.keyed_reads import KEYS_PER_STATEMENT
from poc.online_store.schema import ensure_keyspace, stored_table
from poc.online_store.session import idempotent
from poc.retrieval.following import holds_rows

TIMEOUT_SECONDS = 10.0
FIRST_ROW_SECONDS = 10.0
CONNECT_TRIES = 3
# A row that is removed meanwhile would look like a way that disagrees.
READ_WITHIN = timedelta(minutes=10)

Announce = Callable[[str], object]
Interval = tuple[datetime, datetime]


def compare_stores(
    place: Place,
    request: Request,
    announce: Announce = lambda what: None,
    progress: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Compare the ways to read the stores of `place` on transactions of the prepared Parquet.

    `announce` is told what is going on, `progress` is called after each round of reads. Raises what
    `open_methods` and `run_comparison` raise, and what says that the Parquet is not there.
    """
    served = applied_service(place.store, place.settings.feature_service)
    names = chosen_methods(place.store, request.methods, request.also, served)
    # The direct table keeps what the online store removes by itself.
    removed = gone_until(kept_for(place.store), datetime.now(timezone.utc) + READ_WITHIN)
    keys = sample_keys(served, request.pool, request.seed, removed)
    with open_methods(place, served, keys, names, announce) as methods:
        announce("Reading in turns")
        gone = FeaturesNotMaterialized("A table that was being read")
        with cassandra_failures(place.connection, lambda: gone):
            return run_comparison(methods, keys, request, measured_on(place.session), progress)


@contextmanager
def open_methods(
    place: Place,
    served: ServedFeatures,
    probe: Sequence[Key],
    names: Sequence[str],
    announce: Announce = lambda what: None,
) -> Iterator[tuple[Method, ...]]:
    """Yield the ways `names`, as `chosen_methods` orders them, each ready to read until the block ends.

    An empty direct table is filled from the Parquet with the intervals that the online store holds; a row
    store that holds other values than the online store, likewise. `announce` is told of it.

    FeaturesNotMaterialized: the online store holds none of the transactions `probe`. Beside it
    FeaturesNotApplied, FeaturesOutdated, CassandraUnavailable and FeatureServerUnavailable are raised.
    """
    with ExitStack() as opened:
        opening = _Opening(place, served, probe, announce, opened)
        with cassandra_failures(place.connection):
            found = {method.name: method for method in opening.methods(names)}
        yield tuple(found[name] for name in names)


@dataclass(frozen=True, slots=True)
class _Opening:
    """Opens the ways to read; what is to be closed goes to `opened`."""

    place: Place
    served: ServedFeatures
    probe: Sequence[Key]
    announce: Announce
    opened: ExitStack

    def methods(self, names: Sequence[str]) -> Iterator[Method]:
        place, served = self.place, self.served
        feast = self._method("feast", reads.public_call(place.store, served))
        self._require_materialized(feast)
        self._fill_empty_direct_tables()
        views = reads.direct_views(place.store, place.settings.direct_keyspace, served)
        yield feast
        yield self._method(BASELINE, reads.direct_cassandra(place.session, views))
        if DIRECT_IN in names:
            size = getattr(place.store.config.online_store, "read_keys_per_statement", KEYS_PER_STATEMENT)
            together = reads.direct_cassandra_in(place.session, views, size)
            yield self._method(DIRECT_IN, together, least_batch=2)
        if "feast-unresolved" in names:
            store = self._open(configuration(place.store, provider=LOCAL_PROVIDER))
            unresolved = self._method("feast-unresolved", reads.public_call(store, served), store)
            self._connect(unresolved)
            yield unresolved
        if any(name.startswith("feast-rows") for name in names):
            yield from self._rows(feast, names)
        if "direct-acsylla" in names:
            loop, acsylla = self._loop(), AcsyllaReads(place.connection)
            self.opened.callback(acsylla.close)
            yield self._method("direct-acsylla", reads.direct_acsylla(acsylla, loop, views))
        if "feast-server" in names:
            self.announce("Starting a feature server")
            loop = self._loop()
            settings = place.settings.model_copy(update={"feature_timeout_seconds": TIMEOUT_SECONDS})
            source = self.opened.enter_context(feature_server(settings, place.store))
            yield self._method("feast-server", reads.through_source(source, loop))

    def _rows(self, feast: Method, names: Sequence[str]) -> Iterator[Method]:
        place, served, config = self.place, self.served, self.place.store.config
        if not keeps_rows(place.store):
            config = rows_configuration(place.store, place.settings.data_dir)
            store = self._open(config)
            _apply_same_features(place.store, store, served)
            rows = self._method("feast-rows", reads.public_call(store, served), store)
            if differences(self.probe, {way.name: way.read(self.probe) for way in (feast, rows)}):
                self.announce("Filling the row store")
                _serve_same_rows(place.store, store, served)
            yield rows
        if "feast-rows-acsylla" in names:
            store = self._open(config)
            read_for_serving(store, TIMEOUT_SECONDS, "acsylla")
            loop = self._loop()
            # Its sessions end on the loop, which is closed after them.
            self.opened.callback(close_feature_store, store)
            yield self._method("feast-rows-acsylla", reads.awaited_call(store, loop, served), store)

    def _method(
        self, name: str, read: Read, store: FeatureStore | None = None, least_batch: int = 1
    ) -> Method:
        """Name a way that reads `store`, by default the place's."""
        connection = connection_of(self.place.store if store is None else store)
        return Method(name, KNOWN[name][0], read, connection.read_consistency, least_batch)

    def _open(self, config: RepoConfig) -> FeatureStore:
        store = open_configuration(config)
        self.opened.callback(close_feature_store, store)
        return store

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self.opened.callback(loop.close)
        return loop

    def _connect(self, feast: Method) -> None:
        """Read once: Feast's own store gives a node 2 s to list all tables, and a busy one takes more."""
        for _ in range(CONNECT_TRIES - 1):
            with suppress(CassandraUnavailable), cassandra_failures(self.place.connection):
                feast.read(self.probe[:1])
                return

    def _require_materialized(self, feast: Method) -> None:
        """Raise an error unless each view was materialized, and `feast` finds some of `probe`."""
        store = self.place.store
        for view in self.served.feature_sets:
            if not applied_view(store, view.view).materialization_intervals:
                raise FeaturesNotMaterialized(f"Feature view {view.view}")
        keyspace = store.config.online_store.keyspace
        # Of a keyspace that is not there Feast's own provider says only that no host can be reached.
        cql = f"SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = '{keyspace}'"
        if self.place.session.execute(idempotent(cql)).one() is None:
            raise OnlineTableMissing(f"in keyspace {keyspace}, which is not there")
        self._connect(feast)
        if not any(feast.read(self.probe)):
            raise FeaturesNotMaterialized(f"The online store of feature service {self.served.service}")

    def _fill_empty_direct_tables(self) -> None:
        store, session = self.place.store, self.place.session
        keyspace = self.place.settings.direct_keyspace
        for definitions in self.served.feature_sets:
            table = DirectTable(store, keyspace, definitions.view)
            is_made = stored_table(session, table.layout) is not None
            if is_made and holds_rows(session, table.layout.qualified, FIRST_ROW_SECONDS):
                continue
            self.announce("Filling the direct table")
            ensure_keyspace(session, self.place.connection, keyspace)
            online = applied_view(store, definitions.view).materialization_intervals
            for start, end in joined_intervals(online):
                table.fill(session, start, end, time.time_ns() // 1000)


def _apply_same_features(origin: FeatureStore, rows: FeatureStore, served: ServedFeatures) -> None:
    """Apply to `rows` the features as the registry of `origin` has them. What is equal stays as it is."""
    views = []
    for definitions in served.feature_sets:
        applied = applied_view(origin, definitions.view)
        views.append(type(applied).from_proto(applied.to_proto()))
        # What was materialized there is not here.
        views[-1].materialization_intervals = []
        # Feast hides its own entity, and applies no view without one.
        views[-1].entities = views[-1].entities or [DUMMY_ENTITY_NAME]
    needed = {name for view in views for name in view.entities}
    entities = [entity for entity in origin.list_entities() if entity.name in needed]
    with redirect_stdout(sys.stderr):
        rows.apply([*entities, *views, origin.get_feature_service(served.service)])


def _serve_same_rows(origin: FeatureStore, rows: FeatureStore, served: ServedFeatures) -> None:
    """Let the row store `rows` serve what is in `origin`, in place of what it served."""
    with redirect_stdout(sys.stderr):
        for definitions in served.feature_sets:
            intervals = joined_intervals(applied_view(origin, definitions.view).materialization_intervals)
            with new_generation(rows, definitions) as generation:
                for start, end in intervals:
                    rows.materialize(start, end, feature_views=[definitions.view])
                covered = intervals[0][0], intervals[-1][1]
                content = interval_fingerprint(definitions, *covered)
                generation.serve(Content(*covered, content, generation.written()))
            drop_left(rows, definitions)


def joined_intervals(intervals: Iterable[Interval]) -> list[Interval]:
    """Join intervals that overlap or touch: Feast records one a run, and hourly runs are many.

    Times without a zone are UTC, as Feast means them.
    """
    joined: list[Interval] = []
    utc = [[make_tzaware(moment).astimezone(timezone.utc) for moment in pair] for pair in intervals]
    for start, end in sorted(utc):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
