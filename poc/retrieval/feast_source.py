"""Features read through Feast's online store, on a plan that was worked out before the request.

Knows Feast's registry, and which of Feast's online stores is read how.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from poc.errors import FeaturesNotApplied, PocError
from poc.feature_store import open_feature_store
from poc.retrieval.plan import ReadPlan, resolve_plan
from poc.retrieval.reads import Reads
from poc.retrieval.source import utc_now
from poc.retrieval.stored_source import Driver, StoredFeatureSource
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)


class OnlineStore(Protocol):
    """An online store of Feast's, as this project reads it."""

    def reads(self, plan: ReadPlan) -> Reads:
        """Prepare the reads of `plan`."""
        ...

    def close(self) -> None:
        """End what was opened. A second call does nothing."""
        ...


def open_feast_source(settings: Settings) -> "FeastFeatureSource":
    """Connect, resolve the feature service of `settings`, and keep it fresh in the background.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotApplied: the registry or the online store does not know the features.
        OnlineStoreUnusable: the row store cannot hold what the registry declares.
        CassandraUnavailable: no host accepts a connection.
    """
    store = open_feature_store(settings)
    online = open_online_store(store, settings)
    try:
        return FeastFeatureSource(
            store,
            settings.feature_service,
            online,
            driver=settings.feature_driver,
            timeout_seconds=settings.feature_timeout_seconds,
            refresh_seconds=settings.registry_refresh_seconds,
        )
    except BaseException:
        online.close()
        raise


def open_online_store(store: "FeatureStore", settings: Settings) -> OnlineStore:
    """Connect to the online store that the yaml names.

    Raises:
        InvalidDefinitions: it names no hosts.
        CassandraUnavailable: no host accepts a connection.
    """
    from feast.infra.online_stores.contrib.cassandra_online_store import cassandra_online_store as stock

    from poc.online_store.row_store import CassandraRowOnlineStore
    from poc.retrieval.other_store import OtherStore
    from poc.retrieval.row_store import RowStore
    from poc.retrieval.stock_store import StockStore

    online = store._get_provider().online_store
    # A store that somebody derived from one of these may keep its values otherwise.
    if type(online) is stock.CassandraOnlineStore:
        return StockStore(store, settings)
    if type(online) is CassandraRowOnlineStore:
        return RowStore(store, online, settings)
    return OtherStore(store)


class FeastFeatureSource(StoredFeatureSource):
    """The features of one feature service, read from Feast's online store.

    Args:
        store: Feast, with its registry.
        service: the feature service.
        online: the online store; `close` closes it.
        driver: what `use_loop` may take.
        timeout_seconds: longest that one `read` may take.
        refresh_seconds: how often the registry is read again.
        clock: tells the time, UTC-aware.
    """

    name = "feast"

    def __init__(
        self,
        store: "FeatureStore",
        service: str,
        online: OnlineStore,
        *,
        driver: Driver,
        timeout_seconds: float,
        refresh_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._service = service
        self._online = online
        self._refresh_seconds = refresh_seconds
        self._plan = resolve_plan(store, service)
        super().__init__(
            online.reads(self._plan),
            getattr(online, "connection", None),
            driver=driver,
            timeout_seconds=timeout_seconds,
            clock=clock,
        )
        self._closed = threading.Event()
        self._refresher = threading.Thread(target=self._keep_fresh, name="registry-refresh", daemon=True)
        self._refresher.start()

    def refresh(self) -> None:
        """Read the registry again, and go over to what it says now.

        Reads that are under way end as they began; the next one takes the new plan as a whole.

        Raises:
            PocError: it does not name the features, or they cannot be read. The old plan stays.
        """
        try:
            self._store.registry.refresh(self._store.project)
        except FileNotFoundError as error:
            raise FeaturesNotApplied(self._service) from error
        plan = resolve_plan(self._store, self._service)
        if plan == self._plan and plan.materialized == self._plan.materialized:
            return
        with self._changing:
            self._reads = self._with_acsylla(self._online.reads(plan))
        if plan != self._plan:
            log.info("The feature service has changed", extra={"features": plan.feature_names})
        self._plan = plan

    def close(self) -> None:
        """End the refresh and the store's sessions. A second call does nothing."""
        self._closed.set()
        super().close()
        self._online.close()

    def _keep_fresh(self) -> None:
        while not self._closed.wait(self._refresh_seconds):
            try:
                self.refresh()
            except PocError as error:
                log.warning("The features stay as they were: %s", error.what)
            except Exception:  # Registries are files, databases and web services; none may end the thread.
                log.exception("The features stay as they were: the registry cannot be read")
