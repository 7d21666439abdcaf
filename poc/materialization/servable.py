"""Whether both stores can hold what the feature repository declares: asked before anything is written."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from poc.dataset.label import LABEL
from poc.definitions import DECLARED_IN, ServedFeatures
from poc.errors import InvalidDefinitions
from poc.feature_store import load_repository
from poc.materialization.records import ATTEMPTS, REVISIONS, RUNS
from poc.online_store.layout import direct_layout, row_layout
from poc.online_store.naming import direct_table_name, project_name
from poc.online_store.stock_layout import entity_key
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


def require_servable(settings: Settings, store: "FeatureStore", served: ServedFeatures) -> None:
    """Refuse views of a service that the online store or a direct table cannot hold.

    Raises:
        InvalidDefinitions: a view is not to be online, its table would have the name of another, or the
            label is among the features.
        UnsupportedType: a join key or feature has a type that has no column, or no key.
    """
    if LABEL in served.names:
        raise InvalidDefinitions(
            DECLARED_IN,
            f"service {served.service} takes {LABEL}, and {LABEL} is what the model is to predict: state a"
            " schema without it, or name the features, as in view[['...']]",
        )
    found = load_repository(settings, store)
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
