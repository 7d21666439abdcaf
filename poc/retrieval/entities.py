"""From what was read of each view to the entities of the service, their values held to the declared types.

A value that was stored under an earlier declaration is converted where nothing is lost, and refused where
something would be: a number that is read as what it is not ends as a score.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from poc.definitions import Feature, ServedFeatures, ServedView
from poc.errors import FeaturesOutdated
from poc.retrieval.source import EntityFeatures, EntityKey, Value, is_stale, python_type, utc_now

if TYPE_CHECKING:
    from poc.online_store.view_reader import Found, ViewReader

# Of one entity in one view: its values without those that were never written, and when they were true.
ViewValues: TypeAlias = tuple[dict[str, Value], datetime]
# From what a store gave, not None, to the value; None for what is not a number.
Fitting: TypeAlias = Callable[[Any], Value]
# What Feast gives for a row without an event time.
NO_TIME = datetime(1970, 1, 1, tzinfo=timezone.utc)


class Entities:
    """What is served: puts its entities together. Replaced as a whole, so that a read ends as it began.

    `filled` is whether the store was found to hold something, which tells an unknown entity from a store
    never filled.
    """

    def __init__(self, served: ServedFeatures) -> None:
        self.served, self.names, self.filled = served, served.names, False
        self._ttls = [view.definitions.ttl for view in served.views]

    def of(
        self, keys: Sequence[EntityKey], views: Sequence[Sequence[ViewValues | None]]
    ) -> list[EntityFeatures | None]:
        """Return the entities `keys`, from what each view has for each; None where one has no row."""
        now = utc_now()
        rows = zip(*views, strict=True)
        return [self._entity(key, found, now) for key, found in zip(keys, rows, strict=True)]

    def _entity(
        self, key: EntityKey, found: Sequence[ViewValues | None], now: datetime
    ) -> EntityFeatures | None:
        first = found[0]
        if first is None:
            return None
        values, moment = first
        stale = is_stale(moment, self._ttls[0], now)
        if len(found) > 1:
            for part, ttl in zip(found[1:], self._ttls[1:], strict=True):
                if part is None:
                    return None
                values = {**values, **part[0]}
                moment, stale = min(moment, part[1]), stale or is_stale(part[1], ttl, now)
        missing: tuple[str, ...] = ()
        if len(values) < len(self.names):
            missing = tuple(name for name in self.names if name not in values)
        return EntityFeatures(key, values, moment, stale, missing)


class ViewRows:
    """Reads of the rows that a `ViewReader` finds the wanted features, in their order; it has all of them."""

    def __init__(self, features: Sequence[Feature], reader: "ViewReader") -> None:
        from poc.online_store.view_reader import event_time

        self.reader, self._event_time = reader, event_time
        self._columns = []
        for feature in features:
            place = reader.names.index(feature.name)
            column = feature.name, place, reader.plain[place], fitting(feature), reader.stored[place]
            self._columns.append(column)

    def values(self, row: "Found | None") -> ViewValues | None:
        """Return what `row` says of its entity; raise what `fitting`'s functions raise."""
        if row is None:
            return None
        values: dict[str, Value] = {}
        for name, place, plain, fit, is_stored in self._columns:
            content = row[place]
            if content is not None:
                if plain is not None:
                    content = plain(content)
                values[name] = None if content is None else fit(content)
            elif is_stored:
                values[name] = None
        moment = self._event_time(row)
        return values, NO_TIME if moment is None else moment


def fitting(feature: Feature) -> Fitting:
    """Return the function that holds stored values of `feature` to its type, or raises `FeaturesOutdated`.

    Lists come as lists, times as UTC-aware datetimes.
    """
    kind = python_type(feature.dtype)

    def real(value: Any) -> Value:
        if type(value) is not float:
            if type(value) is not int:
                raise misfit(feature, value)
            return float(value)
        return None if math.isnan(value) else value

    def whole(value: Any) -> Value:
        if type(value) is not int:
            if not (type(value) is float and value.is_integer()):
                raise misfit(feature, value)
            return int(value)
        return value

    def moment(value: Any) -> Value:
        if not isinstance(value, datetime):
            raise misfit(feature, value)
        return value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value

    def same(value: Any) -> Any:
        if type(value) is not kind:
            raise misfit(feature, value)
        return value

    return {float: real, int: whole, datetime: moment}.get(kind, same)


def misfit(feature: Feature, value: Any) -> FeaturesOutdated:
    """Return the error that says of `value` that it is of another type than `feature`."""
    stored = type(value).__name__
    return FeaturesOutdated(f"{feature.name} is stored as {stored} and declared as {feature.dtype}")


def references(served: ServedFeatures) -> list[str] | None:
    """Return Feast's names of the features; None where only the service says what they are.

    A service means what the registry says of it now; names mean the same before and after a change.
    """
    views = [view.definitions.view for view in served.views]
    renamed = any(view.request_keys != view.definitions.key_names for view in served.views)
    if renamed or len(set(views)) < len(views):
        return None
    return [f"{view.definitions.view}:{name}" for view in served.views for name in view.names]


def key_of_view(
    served: ServedFeatures, view: ServedView, reader_keys: Sequence[str]
) -> Callable[[EntityKey], tuple[Any, ...]]:
    """Return the function from a request's key to that of one view, whose order is `reader_keys`."""
    asked: Mapping[str, str] = dict(zip(view.definitions.key_names, view.request_keys, strict=True))
    if not asked:
        # What Feast keeps a view without entities under.
        return lambda key: ("",)
    places = [served.key_names.index(asked[name]) for name in reader_keys]
    if len(places) == 1:
        only = places[0]
        return lambda key: (key[only],)
    return itemgetter(*places)
