"""The direct table of a view: what the online store holds, once more, to be read without Feast.

And whether both stores can hold what is declared, which is asked before anything is written.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from poc.dataset.column_types import LABEL
from poc.definitions import DECLARED_IN, ServedFeatures, applied_view
from poc.errors import DirectTableDiffers, InvalidDefinitions
from poc.feature_store import connection_of, load_repository
from poc.materialization.records import ATTEMPTS, REVISIONS, RUNS
from poc.online_store.arrow_engine import ArrowMaterializationEngineConfig
from poc.online_store.errors import KeyChanged, TypeChanged
from poc.online_store.layout import RowLayout, direct_layout, row_layout
from poc.online_store.naming import direct_table_name, project_name
from poc.online_store.schema import apply_layout, changes, drop_layout, stored_table
from poc.online_store.session import Session
from poc.online_store.sinks import RowSink
from poc.online_store.stock_layout import entity_key
from poc.online_store.view_rows import open_rows
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

# A thousand would be a millisecond, the precision of event times in Cassandra.
MAX_REVISION = 999


class DirectTable:
    """The direct table of a view that is applied.

    Raises UnsupportedType: a field has no column type.
    """

    def __init__(self, store: "FeatureStore", keyspace: str, view: str) -> None:
        self._store, self._view = store, applied_view(store, view)
        self.layout: RowLayout = direct_layout(keyspace, store.project, self._view)

    def require_usable(self, session: Session) -> None:
        """Let a table pass that is not there yet, or can be brought to the definitions by adding columns.

        Raises DirectTableDiffers: it was made for other types or keys.
        """
        try:
            changes(stored_table(session, self.layout), self.layout, "")
        except (TypeChanged, KeyChanged) as error:
            raise DirectTableDiffers(error.what) from error

    def drop(self, session: Session) -> None:
        """Drop it with all its rows, if it is there."""
        drop_layout(session, self.layout)

    def fill(
        self,
        session: Session,
        start: datetime,
        end: datetime,
        progress: Callable[[int], object] | None = None,
        revision: int = 0,
    ) -> int:
        """Write the latest row of each entity in [start, end), UTC; return how many there were.

        Makes the table, or adds the columns it lacks. The rows are those that the engine materializes. A
        higher `revision` replaces rows of the same event time.

        Raises DirectTableDiffers, MissingColumns, NotAcknowledged.
        """
        store, view = self._store, self._view
        self.require_usable(session)
        apply_layout(session, self.layout, f"Feast feature view {view.name} of project {store.project}")
        entities = [store.registry.get_entity(name, store.project) for name in view.entities]
        rows = open_rows(store.config, store._get_provider().offline_store, view, entities, start, end)
        settings = ArrowMaterializationEngineConfig(revision=min(revision, MAX_REVISION))
        sink = RowSink(self.layout, view, connection_of(store), lambda: session, settings)
        try:
            for batch in rows.batches(settings.batch_rows):
                sink.write(batch)
                if progress is not None:
                    progress(batch.num_rows)
        finally:
            sink.close()
        return rows.num_rows


def require_servable(settings: Settings, store: "FeatureStore", served: ServedFeatures) -> None:
    """Refuse views of a service that the online store or a direct table cannot hold.

    Raises InvalidDefinitions, UnsupportedType.
    """
    if LABEL in served.names:
        raise InvalidDefinitions(
            DECLARED_IN,
            f"service {served.service} takes {LABEL}, and {LABEL} is what the model is to predict: state a"
            " schema without it, or name the features, as in view[['...']]",
        )
    found = load_repository(settings, store.config)
    names = {definitions.view for definitions in served.feature_sets}
    views = [view for view in (*found.feature_views, *found.stream_feature_views) if view.name in names]
    for view in views:
        if not view.online:
            raise InvalidDefinitions(
                DECLARED_IN, f"view {view.name} of service {served.service} has online=False"
            )
        direct_layout(settings.direct_keyspace, store.project, view)
        layout = row_layout(settings.direct_keyspace, store.project, view)
        if store.config.online_store.type == "cassandra":
            kinds = {column.field: column.kind for column in layout.keys}
            entity_key(kinds, store.config.entity_key_serialization_version)
    _require_own_names(store.project, views)


def _require_own_names(project: str, views: "Sequence[FeatureView]") -> None:
    known = {
        project_name(project, name): "a record of materializations" for name in (RUNS, REVISIONS, ATTEMPTS)
    }
    for view in views:
        name = direct_table_name(project, view.name)
        if name in known:
            raise InvalidDefinitions(
                DECLARED_IN, f"view {view.name} would share the table {name} with {known[name]}: rename it"
            )
        known[name] = f"view {view.name}"
