"""The stores that are compared, opened as the settings say.

What is opened is filled by `poc.comparison.filled` and compared by `poc.comparison.comparison`.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from feast import FeatureStore

from poc.comparison import filled, reads, variants
from poc.comparison.agreement import differences
from poc.comparison.comparison import Comparison, Request, run_comparison
from poc.comparison.machine import versions_of
from poc.comparison.methods import BASELINE, DIRECT_IN, KNOWN, ON_REQUEST, Key, Method
from poc.comparison.servers import feature_server
from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures, applied_service
from poc.errors import FeaturesNotMaterialized, MethodsUnavailable
from poc.feature_store import (
    close_feature_store,
    connection_of,
    kept_for,
    open_feature_store,
    read_for_serving,
)
from poc.materialization.verification import gone_until
from poc.online_store.acsylla_reads import AcsyllaReads, acsylla_is_installed
from poc.online_store.connection import ConnectionSettings
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import Session, cassandra_session
from poc.settings import Settings

TIMEOUT_SECONDS = 10.0
# A row that is removed meanwhile would look like a way that disagrees.
READ_WITHIN = timedelta(minutes=10)
# What the row store asks for in a statement where the yaml does not say.
KEYS_PER_STATEMENT = 20


@dataclass(frozen=True, slots=True)
class Place:
    """What all ways read from: Feast's store as the yaml configures it, and a session to its Cassandra."""

    settings: Settings
    store: FeatureStore
    connection: ConnectionSettings
    session: Session


@contextmanager
def open_place(settings: Settings) -> Iterator[Place]:
    """Open the store that `settings` select, and a session to its Cassandra, until the block ends.

    Raises:
        NoCassandra: the online store is kept elsewhere.
        CassandraUnavailable: no answer.
    """
    store = open_feature_store(settings)
    connection = connection_of(store)
    with cassandra_session(connection) as session, ExitStack() as opened:
        opened.callback(close_feature_store, store)
        yield Place(settings, store, connection, session)


def compare_stores(
    place: Place,
    request: Request,
    announce: filled.Announce = lambda what: None,
    progress: Callable[[], object] = lambda: None,
) -> Comparison:
    """Compare the ways to read the stores of `place` on transactions of the prepared Parquet.

    `announce` is told what is going on, `progress` is called after each round of reads. Raises what
    `open_methods` and `run_comparison` raise, and what says that the Parquet is not there.
    """
    names = chosen_methods(place.store, request.methods, request.also)
    served = applied_service(place.store, place.settings.feature_service)
    # The direct table keeps what the online store removes by itself.
    removed = gone_until(kept_for(place.store), datetime.now(timezone.utc) + READ_WITHIN)
    keys = sample_keys(served, request.pool, request.seed, removed)
    with open_methods(place, served, keys, names, announce) as methods:
        announce("Reading")
        gone = FeaturesNotMaterialized("A table that was being read")
        with cassandra_failures(place.connection, lambda: gone):
            return run_comparison(methods, keys, request, versions_of(place.session), progress)


def chosen_methods(
    store: FeatureStore, wanted: Sequence[str] | None, also: Sequence[str] = ()
) -> tuple[str, ...]:
    """Name the ways to compare, in the order of all results: the baseline, `wanted` and `also`.

    Without `wanted`, all that can be had here, but not those that are compared on request only.

    Raises:
        MethodsUnavailable: one of them cannot be had here.
    """
    missing = {}
    if variants.keeps_rows(store):
        missing["feast-rows"] = "the yaml names the row store, and feast reads it"
    if store.config.provider == variants.LOCAL_PROVIDER:
        missing["feast-unresolved"] = "the yaml names provider local, and feast reads so"
    if not acsylla_is_installed():
        names = (name for name in KNOWN if name.endswith("acsylla"))
        missing |= dict.fromkeys(names, "acsylla is not installed: pip install acsylla")
    if wanted is None:
        wanted = [name for name in KNOWN if name not in missing and name not in ON_REQUEST]
    chosen = tuple(name for name in KNOWN if name in (BASELINE, *also, *wanted))
    refused = {name: missing[name] for name in chosen if name in missing}
    if refused:
        raise MethodsUnavailable(refused)
    return chosen


@contextmanager
def open_methods(
    place: Place,
    served: ServedFeatures,
    probe: Sequence[Key],
    names: Sequence[str],
    announce: filled.Announce = lambda what: None,
) -> Iterator[tuple[Method, ...]]:
    """Give the ways to compare, the baseline first, each ready to read until the block ends.

    An empty direct table is filled from the Parquet with the intervals that the online store holds; a
    row store that holds other values than the online store, likewise.

    `names` are as `chosen_methods` gives them; `announce` is told when something has to be filled.

    Raises:
        FeaturesNotApplied: the registry does not know the service, or the online store lacks the table.
        FeaturesNotMaterialized: the online store holds none of the transactions `probe`.
        FeaturesOutdated: the direct table lacks a feature.
        CassandraUnavailable: no answer.
        FeatureServerUnavailable: the feature server that is measured does not start.
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
    announce: filled.Announce
    opened: ExitStack

    def methods(self, names: Sequence[str]) -> Iterator[Method]:
        place, served = self.place, self.served
        consistency = place.connection.read_consistency
        feast = reads.public_call("feast", place.store, served)
        filled.require_filled(place.store, feast, served, place.session, self.probe)
        filled.fill_direct_tables(place.settings, place.store, served, place.session, self.announce)
        views = reads.direct_views(place.store, place.settings.direct_keyspace, served)
        yield feast
        yield reads.direct_cassandra(place.session, views, consistency)
        if DIRECT_IN in names:
            size = getattr(place.store.config.online_store, "read_keys_per_statement", KEYS_PER_STATEMENT)
            yield reads.direct_cassandra_in(place.session, views, size, consistency)
        if "feast-unresolved" in names:
            config = variants.configuration(place.store, provider=variants.LOCAL_PROVIDER)
            yield reads.public_call("feast-unresolved", self._open(config), served)
        if any(name.startswith("feast-rows") for name in names):
            yield from self._rows(feast, names)
        if "direct-acsylla" in names:
            loop, acsylla = self._loop(), AcsyllaReads(place.connection)
            self.opened.callback(acsylla.close)
            yield reads.direct_acsylla(acsylla, loop, views, consistency)
        if "feast-server" in names:
            yield self._feature_server(consistency)

    def _rows(self, feast: Method, names: Sequence[str]) -> Iterator[Method]:
        place, served = self.place, self.served
        config = place.store.config
        if not variants.keeps_rows(place.store):
            config = variants.rows_configuration(place.store, place.settings.data_dir)
            store = self._open(config)
            filled.apply_same_features(place.store, store, served)
            rows = reads.public_call("feast-rows", store, served)
            if differences(self.probe, {way.name: way.read(self.probe) for way in (feast, rows)}):
                self.announce("Filling the row store")
                filled.fill_alike(place.store, store, served)
            yield rows
        if "feast-rows-acsylla" in names:
            store = self._open(config)
            read_for_serving(store, TIMEOUT_SECONDS, "acsylla")
            loop = self._loop()
            # Its sessions end on the loop, which is closed after them.
            self.opened.callback(close_feature_store, store)
            yield reads.awaited_call("feast-rows-acsylla", store, loop, served)

    def _feature_server(self, consistency: str) -> Method:
        self.announce("Starting a feature server")
        loop = self._loop()
        settings = self.place.settings.model_copy(update={"feature_timeout_seconds": TIMEOUT_SECONDS})
        source = self.opened.enter_context(feature_server(settings, self.place.store))

        async def read(keys: Sequence[Key]) -> list[dict[str, object] | None]:
            return [None if found is None else dict(found.values) for found in await source.read(keys)]

        return reads.awaited_read("feast-server", read, loop, consistency)

    def _open(self, config: object) -> FeatureStore:
        store = variants.open_configuration(config)
        self.opened.callback(close_feature_store, store)
        return store

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        self.opened.callback(loop.close)
        return loop
