"""Whether the stores and the servers can hold what is declared, asked before anything is written."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from poc.dataset.columns import LABEL
from poc.definitions import DECLARED_IN, ServedFeatures
from poc.errors import InvalidDefinitions
from poc.feature_store import connection_of, repo_yaml
from poc.materialization.records import ATTEMPTS, RUNS
from poc.online_store import naming
from poc.online_store.layout import direct_layout, row_layout
from poc.online_store.stock_layout import entity_key
from poc.repository import load_repository
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

# What requests and answers say beside the join keys; training has a column for the label.
BESIDE_KEYS = frozenset(
    (
        *("overrides", "fraud_probability", "is_fraud", "features", "overridden", "stale", "age_seconds"),
        *("event_timestamp", "error", "threshold", "model", "source", "latency_ms"),
    )
)


def require_servable(settings: Settings, store: "FeatureStore", served: ServedFeatures) -> None:
    """Refuse definitions that the online store, a direct table or a request for a prediction cannot hold.

    Feast makes a table for every view of the repository, so the online store is asked for all of them.

    Raises InvalidDefinitions, UnsupportedType, NoCassandra.
    """
    keyspace = connection_of(store).keyspace
    fault = naming.keyspace_fault(keyspace)
    if fault is not None:
        raise InvalidDefinitions(repo_yaml(settings), f"online_store.keyspace: {keyspace!r} is {fault}")
    if LABEL in served.names:
        raise _refused(
            f"service {served.service} takes {LABEL}, and {LABEL} is what the model is to predict: state a"
            " schema without it, or name the features, as in view[['...']]"
        )
    answered = BESIDE_KEYS.intersection(served.key_names)
    _refuse_names(
        f"service {served.service} has a join key", answered, ", as requests or answers have already"
    )
    found = load_repository(settings, store.config)
    views = [*found.feature_views, *found.stream_feature_views]
    taken = {definitions.view for definitions in served.feature_sets}
    for view in views:
        fields = [field.name for field in (*view.entity_columns, *view.features)]
        if not (view.name and all(fields)):
            raise _refused(f"view {view.name!r} or one of its fields is without a name")
        repeated = {name for name in fields if fields.count(name) > 1}
        _refuse_names(f"view {view.name} declares", repeated, " more than once")
        layout = row_layout(settings.direct_keyspace, store.project, view)
        if store.config.online_store.type == "cassandra":
            _require_stock_table(store.project, view.name)
            kinds = {column.field: column.kind for column in layout.keys}
            entity_key(kinds, store.config.entity_key_serialization_version)
        if view.name not in taken:
            continue
        if not view.online:
            raise _refused(
                f"view {view.name} of service {served.service} has online=False: give it online=True, or"
                " leave it out of the service"
            )
        own = sorted(naming.OWN_COLUMNS.keys() & fields)
        if own:
            raise _refused(
                f"view {view.name} has a feature or key {own[0]}, which is a time of the row itself: name the"
                " column as the source's timestamp_field or created_timestamp_column, or call the feature"
                " otherwise by field_mapping"
            )
        # It finds the name behind the last two underscores of `view__feature`.
        lost = {item.name for item in view.features if f"__{item.name}".rpartition("__")[2] != item.name}
        _refuse_names("Feast's answers leave out", lost, ", for the underscores before or in it")
        parted = {name for name in (view.name, *fields) if ":" in name}
        _refuse_names("Feast names features as view:feature, and could not tell", parted, " apart")
        direct_layout(settings.direct_keyspace, store.project, view)
    _require_own_names(store.project, [view for view in views if view.name in taken])


def _refused(reason: str) -> InvalidDefinitions:
    return InvalidDefinitions(DECLARED_IN, reason)


def _refuse_names(what: str, names: Iterable[str], why: str) -> None:
    named = ", ".join(map(repr, sorted(names)))
    if named:
        raise _refused(
            f"{what} {named}{why}: call it otherwise; field_mapping leaves the source's column as it is"
        )


def _require_stock_table(project: str, view: str) -> None:
    table = naming.stock_table_name(project, view)
    if naming.STOCK_TABLE.fullmatch(table) is None:
        raise _refused(
            f"Feast's own store would call the table of view {view!r} {table!r}, and Cassandra takes up to"
            f" {naming.MAX_STOCK_TABLE_NAME} letters, digits and underscores: rename the view, or take the"
            " row store, which keeps any (type: poc.online_store.row_store.CassandraRowOnlineStore)"
        )


def _require_own_names(project: str, views: "Iterable[FeatureView]") -> None:
    known = {naming.project_name(project, name): "a record of materializations" for name in (RUNS, ATTEMPTS)}
    # The two keyspaces may be one.
    known[naming.GENERATIONS] = "what says which generations are served"
    for view in views:
        name = naming.direct_table_name(project, view.name)
        if name in known:
            raise _refused(f"view {view.name} would share the table {name} with {known[name]}: rename it")
        known[name] = f"view {view.name}"
