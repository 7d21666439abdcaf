"""The plans of one feature store, kept for as long as the registry stays what it is.

A registry has a state: the object that Feast has it cached as, and the version that each commit stamps on it.
An `apply` in this process changes it at once. What others apply is read in the background before Feast would
read it within a call, and is planned before it is shown: no request waits for either.
"""

import copy
import logging
import threading
import weakref
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from feast import FeatureService, FeatureStore
from feast.errors import FeatureViewNotFoundException

from poc.online_store import forks
from poc.online_store.errors import FeaturesOutdated
from poc.online_store.plan import Plan, resolve
from poc.online_store.registry_file import as_it_is_now

log = logging.getLogger(__name__)

# A bound for callers that ask for ever new selections of features.
MOST_PLANS = 1000
# The present state, the one that takes its place, and those that requests under way began with.
MOST_STATES = 4
# Of the life of Feast's cache, how much passes before it is read anew.
SHARE = 0.8
LEAST_SECONDS = 0.2
_Content = tuple[str, list[tuple[str, str | None, list[Any], dict[str, str]]]]


@dataclass(slots=True)
class _State:
    """One state of the registry; by what is asked the plans that were worked out, each with its features."""

    proto: Any
    version: str
    plans: dict[Any, tuple[Plan | None, Any]] = field(default_factory=dict)

    def is_of(self, proto: Any) -> bool:
        return self.proto is proto and self.version == proto.version_id


class Plans:
    """Plans by what is asked. Safe to use from many threads at once."""

    def __init__(self) -> None:
        self._state: _State | None = None
        self._states: list[_State] = []
        # Feast's services are compared slowly, and hashed by their name: known ones are told by identity.
        self._services: dict[int, tuple[FeatureService, _Content, bytes]] = {}
        self.begin_anew()
        forks.TOLD.add(self)

    def begin_anew(self) -> None:
        """See `BeginsAnew`."""
        self._lock, self._refreshing = threading.Lock(), False

    def find(
        self,
        store: FeatureStore,
        features: list[str] | FeatureService,
        full_feature_names: bool,
        key_names: tuple[str, ...],
    ) -> Plan | None:
        """Return the plan of a call, made when it is first asked for; None for what is Feast's to answer."""
        proto = getattr(store._registry, "cached_registry_proto", None)
        if proto is None:
            return None
        if not self._refreshing:
            self._keep_fresh(store)
        state = self._state
        if state is None or not state.is_of(proto):
            state = self._enter(proto)
        try:
            asked = (self._named(features), full_feature_names, key_names)
            known = state.plans.get(asked)
        except TypeError:
            return None  # Nothing that features could be called by: Feast says what is wrong with it.
        return _planned(store, state, asked, features) if known is None else known[0]

    def _named(self, features: list[str] | FeatureService) -> Any:
        if type(features) is list:
            return tuple(features)
        if not isinstance(features, FeatureService):
            raise TypeError(features)
        known = self._services.get(id(features))
        content = _content(features)
        if known is None or known[0] is not features or known[1] != content:
            known = (features, content, features.to_proto().SerializeToString(deterministic=True))
            if len(self._services) >= MOST_PLANS:
                self._services.clear()
            self._services[id(features)] = known
        return known[2]

    def _enter(self, proto: Any) -> _State:
        """Go over to the state of the registry that `proto` is."""
        with self._lock:
            version = str(proto.version_id)
            # The same state read once more is another object. A registry in a database has no version.
            same = (
                item for item in self._states if item.is_of(proto) or (version and item.version == version)
            )
            known = next(same, None)
            state = self._state = _State(proto, version, {} if known is None else known.plans)
            self._states = [state, *(item for item in self._states if item is not known)][:MOST_STATES]
            return state

    def _keep_fresh(self, store: FeatureStore) -> None:
        with self._lock:
            if self._refreshing:
                return
            self._refreshing = True
        life: timedelta = getattr(store._registry, "cached_registry_proto_ttl", timedelta(0))
        if life.total_seconds() <= 0:
            return  # Zero is for ever.
        gone = threading.Event()
        weakref.finalize(store, gone.set)
        seconds = max(life.total_seconds() * SHARE, LEAST_SECONDS)
        args = (weakref.ref(store), self, gone, seconds)
        threading.Thread(target=_refresh, args=args, name="registry-refresh", daemon=True).start()

    def refresh(self, store: FeatureStore) -> None:
        """Read the registry again, plan what was asked so far, and only then show it to `store`."""
        registry = store._registry
        held = registry.cached_registry_proto
        version = held.version_id
        twin = as_it_is_now(registry, store.project)
        proto = twin.cached_registry_proto
        # What is the same is not put in place of what an `apply` under way may be changing. A registry in a
        # database has no version.
        changed = proto.version_id != version or (not version and proto != held)
        if changed and not self._is_before_its_table(store, twin):
            state = self._planned_ahead(store, twin)
            if registry.cached_registry_proto is not held or held.version_id != version:
                return  # An `apply` of this process came first, and is newer.
            with self._lock:
                self._states = [state, *self._states][:MOST_STATES]
            registry.cached_registry_proto = proto
        registry.cached_registry_proto_created = datetime.utcnow()  # noqa: DTZ003 - as Feast compares it.

    def _is_before_its_table(self, store: FeatureStore, registry: Any) -> bool:
        """Tell whether a view that is read has another key in `registry`, while its table has the old one.

        Until a full run has switched, it goes on being read as it was.
        """
        plans = () if self._state is None else tuple(self._state.plans.values())
        for part in (part for plan, _ in plans if plan is not None for part in plan.parts):
            try:
                view = registry.get_feature_view(part.view.name, store.project, allow_cache=True)
            except FeatureViewNotFoundException:
                continue  # It is gone, or a stream's.
            if view.entity_columns != part.view.entity_columns:
                try:
                    store._get_provider().reader(view, [field.name for field in view.features])
                except FeaturesOutdated:
                    return True
        return False

    def _planned_ahead(self, store: FeatureStore, registry: Any) -> _State:
        """Plan for the state of `registry` what was asked of the present one."""
        other = copy.copy(store)
        other._registry = registry
        proto, before = registry.cached_registry_proto, self._state
        state = _State(proto, str(proto.version_id))
        for asked, (_, features) in [] if before is None else list(before.plans.items()):
            try:
                _planned(other, state, asked, features)
            except Exception as error:  # What is gone from the registry is refused when it is asked for.
                log.info("No plan for the features as they are now: %s", error)
        return state


def _content(service: FeatureService) -> _Content:
    """Return what a plan follows from; kept objects are compared by what they are first."""
    return service.name, [
        (item.name, item.name_alias, list(item.features), dict(item.join_key_map))
        for item in service.feature_view_projections
    ]


def _planned(store: FeatureStore, state: _State, asked: Any, features: Any) -> Plan | None:
    _, full_feature_names, key_names = asked
    plan = resolve(store, features, full_feature_names, key_names)
    if len(state.plans) >= MOST_PLANS:
        state.plans.clear()
    state.plans[asked] = plan, features
    return plan


def _refresh(store: "weakref.ref[FeatureStore]", plans: Plans, gone: threading.Event, seconds: float) -> None:
    while not gone.wait(seconds):
        found = store()
        if found is None:
            return
        try:
            plans.refresh(found)
        except Exception as error:  # A file, a database, a web service: none may end the thread.
            log.warning("The features stay as they were: the registry cannot be read: %s", error)
        del found
