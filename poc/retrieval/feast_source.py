"""Features read through Feast's online store, on a plan that was worked out before the request.

Knows Feast's provider and registry. Which online store is behind them is up to the yaml.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from poc.errors import (
    FeaturesNotApplied,
    FeaturesNotMaterialized,
    FeaturesOutdated,
    OnlineTableMissing,
    PocError,
)
from poc.feature_store import open_feature_store
from poc.retrieval.plan import ReadPlan, resolve_plan
from poc.retrieval.source import TransactionFeatures, Value, as_utc, is_stale, utc_now
from poc.retrieval.stock_store import StockStoreSession, use_own_session
from poc.retrieval.tables import Deadline, cassandra_failures
from poc.retrieval.values import python_value
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)

# An id that no transaction has; Cassandra refuses an empty one.
PROBE_ID = "\N{EM DASH}"


def open_feast_source(settings: Settings) -> "FeastFeatureSource":
    """Connect, resolve the feature service of `settings`, and keep it fresh in the background.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotApplied: the registry or the online store does not know the features.
        CassandraUnavailable: no host accepts a connection.
    """
    store = open_feature_store(settings)
    own_session = use_own_session(store, settings)
    try:
        return FeastFeatureSource(
            store,
            settings.feature_service,
            own_session,
            timeout_seconds=settings.feature_timeout_seconds,
            refresh_seconds=settings.registry_refresh_seconds,
        )
    except BaseException:
        if own_session is not None:
            own_session.close()
        raise


class FeastFeatureSource:
    """The features of one feature service, read from Feast's online store.

    Args:
        store: Feast, with its registry and online store.
        service: the feature service.
        own_session: what the stock Cassandra store was made to read with; None for another store.
        timeout_seconds: longest that one `read` may take.
        refresh_seconds: how often the registry is read again.
        clock: tells the time, UTC-aware.
    """

    name = "feast"

    def __init__(
        self,
        store: "FeatureStore",
        service: str,
        own_session: StockStoreSession | None,
        *,
        timeout_seconds: float,
        refresh_seconds: float,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value as ValueProto

        self._entity_key, self._value_proto = EntityKey, ValueProto
        self._store = store
        self._provider = store._get_provider()
        self._service = service
        self._own_session = own_session
        self._where = "the online store" if own_session is None else own_session.where
        self._timeout_seconds = timeout_seconds
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._filled = False
        self._plan = resolve_plan(store, service)
        # Prepares the statement; in a request it would wait under the driver's own, longer timeout.
        self._rows(self._plan, [PROBE_ID])
        self._closed = threading.Event()
        self._refresher = threading.Thread(target=self._keep_fresh, name="registry-refresh", daemon=True)
        self._refresher.start()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The features of the service, in declared order."""
        return self._plan.feature_names

    def read(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        """Read the features of `transaction_ids`; see `FeatureSource.read`."""
        plan, deadline = self._plan, Deadline(self._timeout_seconds)
        rows = self._rows(plan, transaction_ids)
        now = self._clock()
        found = [
            self._features(plan, transaction_id, row, now)
            for transaction_id, row in zip(transaction_ids, rows, strict=True)
        ]
        if not self._filled and found:
            self._filled = any(found) or self._require_filled(plan, deadline)
        return found

    def check(self) -> None:
        """Find out whether `read` can succeed now; see `FeatureSource.check`."""
        plan, deadline = self._plan, Deadline(self._timeout_seconds)
        self._rows(plan, [PROBE_ID])
        self._filled = False
        self._filled = self._require_filled(plan, deadline)

    def refresh(self) -> None:
        """Read the registry again, and go over to what it says now.

        Raises:
            PocError: it does not name the features, or they cannot be read. The old plan stays.
        """
        try:
            self._store.registry.refresh(self._store.project)
        except FileNotFoundError as error:
            raise FeaturesNotApplied(self._service) from error
        plan = resolve_plan(self._store, self._service)
        if plan != self._plan:
            self._rows(plan, [PROBE_ID])
            log.info("The feature service has changed", extra={"features": plan.feature_names})
        self._plan = plan

    def close(self) -> None:
        """End the refresh and the store's session. A second call does nothing."""
        self._closed.set()
        if self._own_session is not None:
            self._own_session.close()
        # Feast's interface has no such call; stores that connect by themselves may.
        elif (close := getattr(self._provider.online_store, "close", None)) is not None:
            close()

    def _rows(self, plan: ReadPlan, transaction_ids: Sequence[str]) -> list[Any]:
        if not transaction_ids:
            return []
        keys = [
            self._entity_key(join_keys=[plan.join_key], entity_values=[self._value_proto(string_val=item)])
            for item in transaction_ids
        ]
        with cassandra_failures(self._where, lambda: OnlineTableMissing(self._table(plan))):
            rows: list[Any] = self._provider.online_read(
                self._store.config, plan.table, keys, list(plan.feature_names)
            )
        return rows

    def _features(
        self, plan: ReadPlan, transaction_id: str, row: Any, now: datetime
    ) -> TransactionFeatures | None:
        stored_timestamp, protos = row
        if protos is None:
            return None
        if stored_timestamp is None:
            raise FeaturesOutdated(f"{transaction_id!r} is stored without an event timestamp")
        event_timestamp = as_utc(stored_timestamp)
        values: dict[str, Value] = {}
        for name, field in plan.fields:
            # A feature that was added after the last materialization is not stored yet.
            proto = protos.get(name)
            values[name] = None if proto is None else python_value(proto, field, name)
        return TransactionFeatures(
            transaction_id, values, event_timestamp, is_stale(event_timestamp, plan.ttl, now)
        )

    def _require_filled(self, plan: ReadPlan, deadline: Deadline) -> bool:
        """Tell an empty store from unknown transactions. Other stores than the stock one cannot be
        asked; for them counts what Feast recorded."""
        if self._own_session is None:
            filled = plan.materialized
        else:
            with cassandra_failures(self._where, lambda: OnlineTableMissing(self._table(plan))):
                filled = self._own_session.holds_rows(plan.view, deadline.remaining())
        if not filled:
            raise FeaturesNotMaterialized(self._table(plan))
        return True

    def _table(self, plan: ReadPlan) -> str:
        return plan.view if self._own_session is None else self._own_session.table(plan.view)

    def _keep_fresh(self) -> None:
        while not self._closed.wait(self._refresh_seconds):
            try:
                self.refresh()
            except PocError as error:
                log.warning("The features stay as they were: %s", error.what)
            except Exception:  # Registries are files, databases and web services; none may end the thread.
                log.exception("The features stay as they were: the registry cannot be read")
