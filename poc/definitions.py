"""What the feature repository declares, as plain values for every room.

Read by Feast's own loader before anything was applied, and from Feast's registry afterwards: this project
knows no other way to the definitions. What it cannot serve is refused here, with the reason.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poc.errors import FeaturesNotApplied, InvalidDefinitions

if TYPE_CHECKING:
    from feast import FeatureService, FeatureStore, FeatureView
    from feast.types import FeastType

# Where an error of a definition points to: which of the repository's files declares it, Feast does not say.
DECLARED_IN = Path("the feature repository")


@dataclass(frozen=True, slots=True)
class JoinKey:
    """A column that identifies entities, by the name in features.py or in a service's `with_join_key_map`."""

    name: str
    dtype: "FeastType"


@dataclass(frozen=True, slots=True)
class Feature:
    """One declared feature; its tags `min`, `max` and `values` bound it, see features.py."""

    name: str
    dtype: "FeastType"
    description: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FeatureSet:
    """One feature view: the features of one kind of entity, and where they come from.

    Attributes:
        view: its name.
        join_keys: in the order of the view's entities; none for a view without.
        features: in declared order, without the join keys.
        ttl: age from which a value is stale; None if it never is.
        source_path: the Parquet, relative to the working directory.
        timestamp_column: event time, UTC; the source's own name.
        created_timestamp_column: when the row was written, UTC; None where not declared.
        source_columns: the source's own name of a join key or feature, where its field_mapping renames it.
    """

    view: str
    join_keys: tuple[JoinKey, ...]
    features: tuple[Feature, ...]
    ttl: timedelta | None
    source_path: Path
    timestamp_column: str
    created_timestamp_column: str | None
    source_columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names in declared order."""
        return tuple(feature.name for feature in self.features)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The join keys' names."""
        return tuple(key.name for key in self.join_keys)

    def column(self, name: str) -> str:
        """Return the source's own name of a join key or feature."""
        return self.source_columns.get(name, name)


@dataclass(frozen=True, slots=True)
class ServedView:
    """What a feature service takes of one view, its whole `definitions`: some features, in declared order.

    A request calls the view's join keys `request_keys`; `alias` is the service's name of the view, if any.
    """

    definitions: FeatureSet
    features: tuple[Feature, ...]
    request_keys: tuple[str, ...]
    alias: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of those features."""
        return tuple(feature.name for feature in self.features)


@dataclass(frozen=True, slots=True)
class ServedFeatures:
    """A feature service: what a model takes, of which views, in its order."""

    service: str
    views: tuple[ServedView, ...]

    @property
    def features(self) -> tuple[Feature, ...]:
        """All features, view by view; no two have one name."""
        return tuple(feature for view in self.views for feature in view.features)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(feature.name for feature in self.features)

    @property
    def join_keys(self) -> tuple[JoinKey, ...]:
        """What a request names, each once, in the order of the views."""
        keys: dict[str, JoinKey] = {}
        for view in self.views:
            for name, key in zip(view.request_keys, view.definitions.join_keys, strict=True):
                keys.setdefault(name, JoinKey(name, key.dtype))
        return tuple(keys.values())

    @property
    def key_names(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(key.name for key in self.join_keys)

    def key_columns(self, view: ServedView) -> dict[str, str]:
        """Return, for each join key of the service, the column of a view's source that would hold it."""
        own = dict(zip(view.request_keys, view.definitions.key_names, strict=True))
        return {name: view.definitions.column(own.get(name, name)) for name in self.key_names}

    @property
    def feature_sets(self) -> tuple[FeatureSet, ...]:
        """The whole views, each once: what is materialized."""
        return tuple({view.definitions.view: view.definitions for view in self.views}.values())


def applied_service(store: "FeatureStore", service: str, cached: bool = False) -> ServedFeatures:
    """Read a feature service and its views from the registry: `cached` as `store` has it at hand, or anew.

    Raises FeaturesNotApplied: the registry does not know them; and what `served_features` does.
    """
    from feast.errors import FeastObjectNotFoundException

    try:
        found = store.get_feature_service(service, allow_cache=cached)
        projected = {item.name for item in found.feature_view_projections}
        views = {name: applied_view(store, name, cached) for name in projected}
        entities = _join_keys(store, cached)
    except (FeastObjectNotFoundException, OSError) as error:
        # Where there is no registry file, Feast writes one, and fails where it may not.
        raise FeaturesNotApplied(service) from error
    return served_features(found, views, entities)


def applied_feature_set(store: "FeatureStore", view: str) -> FeatureSet:
    """Read a view from the registry, whether a service takes it or not.

    Raises FeaturesNotApplied; InvalidDefinitions where it is computed on demand, or as `feature_set` does.
    """
    from feast.errors import FeastObjectNotFoundException

    try:
        found, entities = applied_view(store, view), _join_keys(store, False)
    except FeastObjectNotFoundException as error:
        known = sorted(item.name for item in store.list_feature_views())
        raise FeaturesNotApplied(view, "feature view", known) from error
    except OSError as error:
        raise FeaturesNotApplied(view, "feature view") from error
    if found is None:
        raise _refused(f"view {view} is computed on demand: nothing of it is stored")
    return feature_set(found, entities)


def _join_keys(store: "FeatureStore", cached: bool) -> dict[str, str]:
    return {item.name: item.join_key for item in store.list_entities(allow_cache=cached)}


def applied_view(store: "FeatureStore", name: str, cached: bool = False) -> Any:
    """Return a view or stream view of the registry by its name; None for one that is computed on demand."""
    from feast.errors import FeatureViewNotFoundException

    for find in (store.get_feature_view, store.get_stream_feature_view):
        with suppress(FeatureViewNotFoundException):
            return find(name, allow_registry_cache=cached)
    # Knowing whether it is there needs no look at what it runs.
    on_demand = store.registry.proto().on_demand_feature_views
    if (name, store.project) in ((item.spec.name, item.spec.project) for item in on_demand):
        return None
    raise FeatureViewNotFoundException(name, store.project)


def served_features(
    service: "FeatureService", views: "Mapping[str, FeatureView | None]", join_keys: Mapping[str, str]
) -> ServedFeatures:
    """Read what `service` takes of its `views`, None for one that is computed on demand, by name.

    Raises InvalidDefinitions: a view is computed on demand, two features have one name, one join key has two
    types, or there is no file source.
    """
    served = []
    for projection in service.feature_view_projections:
        view = views[projection.name]
        if view is None:
            raise _refused(
                f"service {service.name} takes {projection.name}, which is computed on demand: this project"
                " serves stored features only. Leave that view out of the service"
            )
        definitions = feature_set(view, join_keys)
        taken = {item.name for item in projection.features}
        features = tuple(item for item in definitions.features if item.name in taken)
        keys = tuple(projection.join_key_map.get(key, key) for key in definitions.key_names)
        served.append(ServedView(definitions, features, keys, projection.name_alias))
    found = ServedFeatures(service.name, tuple(served))
    _require_distinct(found)
    return found


def _refused(reason: str) -> InvalidDefinitions:
    return InvalidDefinitions(DECLARED_IN, reason)


def _require_distinct(served: ServedFeatures) -> None:
    repeated = sorted({name for name in served.names if served.names.count(name) > 1})
    if repeated:
        where = "of more than one view" if len(served.views) > 1 else "more than once"
        raise _refused(
            f"service {served.service} has {', '.join(repeated)} {where}, and a model takes"
            " inputs by name: leave one out, as in view[['...']]"
        )
    if not served.features:
        raise _refused(f"service {served.service} takes no features")
    if not served.join_keys:
        raise _refused(f"service {served.service} has no join key: there is nothing to ask a prediction for")
    kinds: dict[str, FeastType] = {}
    for view in served.views:
        for name, key in zip(view.request_keys, view.definitions.join_keys, strict=True):
            if key.dtype != kinds.setdefault(name, key.dtype):
                raise _refused(f"join key {name} is {kinds[name]} in one view and {key.dtype} in another")
    both = sorted(set(served.names) & set(kinds))
    if both:
        raise _refused(f"{', '.join(both)} is a join key of the service and a feature")


def feature_set(view: "FeatureView", join_keys: Mapping[str, str]) -> FeatureSet:
    """Read a Feast feature view, as inferred or as the registry holds it; `join_keys` by the entities' names.

    Raises InvalidDefinitions: it has no source file on this machine, or a type is not known.
    """
    source = view.batch_source
    types = {column.name: column.dtype for column in view.entity_columns}
    keys = [join_keys[name] for name in view.entities if name in join_keys]
    unknown = next((name for name in keys if name not in types), None)
    if unknown is not None:
        raise _refused(
            f"join key {unknown} of view {view.name} has no type: give its Entity a value_type, or put it"
            " into the view's schema"
        )
    columns = {name: column for column, name in (source.field_mapping or {}).items()}
    created = source.created_timestamp_column
    for time in filter(None, (source.timestamp_field, created)):
        renamed = (source.field_mapping or {}).get(time, time)
        if renamed != time:
            raise _refused(
                f"the source of view {view.name} renames its {time} to {renamed}, by field_mapping: state"
                f" {renamed} as its timestamp_field or created_timestamp_column, where it states {time}"
            )
    return FeatureSet(
        view=view.name,
        join_keys=tuple(JoinKey(name, types[name]) for name in keys),
        features=tuple(
            Feature(item.name, item.dtype, item.description, dict(item.tags))
            for item in view.features
            # Feast takes a repeated join key out of a FeatureView's features, and leaves it in a stream's.
            if item.name not in types
        ),
        ttl=view.ttl if view.ttl else None,
        source_path=_local_path(view.name, source),
        timestamp_column=columns.get(source.timestamp_field, source.timestamp_field),
        created_timestamp_column=columns.get(created, created) if created else None,
        source_columns=columns,
    )


def _local_path(view: str, source: Any) -> Path:
    from poc.online_store.source import local_path

    path = getattr(source, "path", None)
    if path is None:
        raise _refused(f"view {view} has a {type(source).__name__}: this project reads a FileSource")
    if "://" in path and not path.startswith("file://"):
        raise _refused(
            f"view {view} reads {path}, which is no path of this machine: put the files here, or let Spark"
            " read them by base_path of feature_repo/stores/spark.yaml"
        )
    return Path(local_path(path))
