"""Whether an online store holds anything at all, which tells an unknown entity from a store never filled."""

from typing import TYPE_CHECKING, Any

from poc.definitions import JoinKey, ServedFeatures
from poc.errors import FeaturesNotMaterialized
from poc.online_store.session import READ, Session, idempotent
from poc.retrieval.source import EntityKey

if TYPE_CHECKING:
    from feast import FeatureStore

# What no entity is called; Cassandra refuses an empty key.
PROBE_TEXT = "\N{EM DASH}"


def probe_key(served: ServedFeatures) -> EntityKey:
    """Return a key that finds nothing, or something: it tells whether reads work."""
    return tuple(_probe(key) for key in served.join_keys)


def _probe(key: JoinKey) -> Any:
    from feast.types import Bool, Bytes, Float32, Float64, Int32, Int64, UnixTimestamp

    from poc.online_store.types import EPOCH

    known = {
        Bool: False,
        Bytes: PROBE_TEXT.encode(),
        Float32: 0.0,
        Float64: 0.0,
        Int32: 0,
        Int64: 0,
        UnixTimestamp: EPOCH,
    }
    return known.get(key.dtype, PROBE_TEXT)


def holds_rows(session: Session, table: str, timeout_seconds: float) -> bool:
    """Return whether `table` (quoted, with its keyspace) has any row."""
    statement = idempotent(f"SELECT * FROM {table} LIMIT 1")
    return session.execute(statement, timeout=timeout_seconds, execution_profile=READ).one() is not None


def require_filled(store: "FeatureStore", served: ServedFeatures, timeout_seconds: float) -> None:
    """Find out that every view of `served` holds something online. Blocks.

    What is kept elsewhere than in Cassandra cannot be asked: there counts what Feast recorded.

    Raises:
        FeaturesNotMaterialized: a view holds nothing.
    """
    provider = store._get_provider()
    known = (*store.list_feature_views(allow_cache=True), *store.list_stream_feature_views(allow_cache=True))
    views: dict[str, Any] = {item.name: item for item in known}
    for view in served.feature_sets:
        table = None
        if getattr(provider, "reads_awaited", False):
            reader = provider.reader(views[view.view], list(view.names))
            table = getattr(reader, "table", None) or reader.layout.qualified
        if table is None:
            if not views[view.view].materialization_intervals:
                raise FeaturesNotMaterialized(view.view)
            continue
        if not holds_rows(provider.online_store.session(store.config), table, timeout_seconds):
            raise FeaturesNotMaterialized(table)
