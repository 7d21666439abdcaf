"""Any other online store of Feast's, read through its provider: SQLite, Redis, one of another project."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from poc.errors import FeaturesNotMaterialized, OnlineTableMissing
from poc.retrieval.lookup import Stored, event_time
from poc.retrieval.plan import ReadPlan
from poc.retrieval.reads import PROBE_ID, ReadAsync
from poc.retrieval.tables import Deadline, cassandra_failures
from poc.retrieval.values import python_value

if TYPE_CHECKING:
    from feast import FeatureStore

WHERE = "the online store"


class OtherStore:
    """The store of `store`, whatever it is. It connects as it sees fit."""

    def __init__(self, store: "FeatureStore") -> None:
        self._store = store
        self._provider = store._get_provider()

    def reads(self, plan: ReadPlan) -> "ProviderReads":
        """Make reads of `plan`, after trying one: some stores connect and prepare in the first."""
        made = ProviderReads(self._store, plan)
        made.read([PROBE_ID], Deadline(0))
        return made

    def close(self) -> None:
        """Close what can be closed: Feast's interface has no such call, stores may."""
        close = getattr(self._provider.online_store, "close", None)
        if close is not None:
            close()


class ProviderReads:
    """`Reads` through Feast's provider. Its stores know no time limit for a single read."""

    def __init__(self, store: "FeatureStore", plan: ReadPlan) -> None:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value as ValueProto

        self._entity_key, self._value_proto = EntityKey, ValueProto
        self._config, self._provider = store.config, store._get_provider()
        self._plan = plan

    @property
    def names(self) -> tuple[str, ...]:
        """See `Reads`."""
        return self._plan.feature_names

    @property
    def ttl(self) -> timedelta | None:
        """See `Reads`."""
        return self._plan.ttl

    @property
    def read_async(self) -> ReadAsync | None:
        """See `Reads`."""
        return None

    def read(self, transaction_ids: Sequence[str], deadline: Deadline) -> list[Stored | None]:
        """See `Reads`."""
        if not transaction_ids:
            return []
        plan = self._plan
        keys = [
            self._entity_key(join_keys=[plan.join_key], entity_values=[self._value_proto(string_val=item)])
            for item in transaction_ids
        ]
        with cassandra_failures(WHERE, lambda: OnlineTableMissing(plan.view)):
            rows = self._provider.online_read(self._config, plan.table, keys, list(self.names))
        return [self._stored(item, *row) for item, row in zip(transaction_ids, rows, strict=True)]

    def probe(self, deadline: Deadline) -> None:
        """See `Reads`."""
        self.read([PROBE_ID], deadline)

    def require_filled(self, deadline: Deadline) -> None:
        """See `Reads`. The store cannot be asked: what counts is what Feast recorded."""
        if not self._plan.materialized:
            raise FeaturesNotMaterialized(self._plan.view)

    def _stored(self, transaction_id: str, moment: Any, protos: Any) -> Stored | None:
        if protos is None:
            return None
        values = {
            # A feature that was added after the last materialization is not stored yet.
            name: None if (proto := protos.get(name)) is None else python_value(proto, field, name)
            for name, field in self._plan.fields
        }
        return event_time(transaction_id, moment), values
