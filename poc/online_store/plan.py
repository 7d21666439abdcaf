"""What a call for online features asks of the stores, worked out once for each state of the registry.

Feast's own call looks everything up anew each time: 0.4-0.6 ms of Python with one view, 100 ms with 200.
Its own resolution makes the plans too; what is not as plain as a plan takes it stays Feast's own to answer or
to refuse (docs/adr/0013).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feast import FeatureService, FeatureStore, FeatureView
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.value_type import ValueType

from poc.online_store.response import Answered, ResolvedResponse
from poc.online_store.view_reader import JoinKeys, ViewReader

OpenReader = Callable[[FeatureView, Sequence[str]], ViewReader]

_INT32, _INT64 = 2**31, 2**63


# What is its own join key without any conversion. Feast converts the rest, or refuses it.
_NATIVE: dict[ValueType, Callable[[Any], bool]] = {
    # An empty one may be a null to Feast, by what else is in the list.
    ValueType.STRING: lambda value: type(value) is str and value != "",
    ValueType.INT64: lambda value: type(value) is int and -_INT64 <= value < _INT64,
    ValueType.INT32: lambda value: type(value) is int and -_INT32 <= value < _INT32,
    ValueType.BYTES: lambda value: type(value) is bytes and value != b"",
}
# Of an alias Feast knows no type: it guesses one by the values, the wrong one for an Int32, and finds none.
_BY_ALIAS = (ValueType.STRING, ValueType.INT64, ValueType.INT32)


@dataclass(frozen=True, slots=True)
class ViewPart:
    """The reads of one view, which has the projection that was asked for.

    Attributes:
        names: what the answer calls the features.
        request_keys: what the request calls each of the view's join keys, by the join key.
    """

    view: FeatureView
    features: tuple[str, ...]
    names: tuple[str, ...]
    request_keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """How to answer one selection of features for one set of join keys.

    Attributes:
        kinds: the type of each join key of the request.
        native: for each join key of the request, what tells whether a value is one without conversion.
        dropped: answered names that Feast leaves out.
    """

    parts: tuple[ViewPart, ...]
    kinds: Mapping[str, ValueType]
    native: tuple[tuple[str, Callable[[Any], bool]], ...]
    dropped: frozenset[str]

    def takes(self, entity_values: Mapping[str, Any]) -> bool:
        """Tell whether the request is as plain as it must be: equal lists, of native values only."""
        length = 0
        for name, is_native in self.native:
            values = entity_values.get(name)
            if type(values) is not list or not values or length not in (0, len(values)):
                return False
            length = len(values)
            # Most requests are about one entity, and this is half of what a plan costs.
            if not (is_native(values[0]) if length == 1 else all(map(is_native, values))):
                return False
        return length > 0

    def answer(self, entity_values: Mapping[str, list[Any]], reader: OpenReader) -> ResolvedResponse:
        """Read, and answer; raise what the store raises where no answer comes."""
        answered = []
        for part in self.parts:
            opened = reader(part.view, part.features)
            keys = _keys(part, opened.key_names, entity_values)
            found = opened.read(keys)
            answered.append(Answered(opened, part.names, [found.get(key) for key in keys], self.dropped))
        return ResolvedResponse(entity_values, self.kinds, answered)

    async def answer_async(
        self, entity_values: Mapping[str, list[Any]], reader: OpenReader
    ) -> ResolvedResponse:
        """Do the same without blocking the event loop."""
        answered = []
        for part in self.parts:
            opened = reader(part.view, part.features)
            keys = _keys(part, opened.key_names, entity_values)
            found = await opened.read_async(keys)
            answered.append(Answered(opened, part.names, [found.get(key) for key in keys], self.dropped))
        return ResolvedResponse(entity_values, self.kinds, answered)


def _keys(part: ViewPart, key_names: Sequence[str], entity_values: Mapping[str, list[Any]]) -> list[JoinKeys]:
    """Return the join keys of each entity, in the order in which the reader takes them."""
    if len(key_names) > 1:
        return list(zip(*(entity_values[part.request_keys[name]] for name in key_names), strict=True))
    asked = part.request_keys.get(key_names[0])
    if asked is None:
        # A view without entities has one row, under a key that nobody names.
        return [(DUMMY_ENTITY_VAL,)] * len(next(iter(entity_values.values())))
    return [(value,) for value in entity_values[asked]]


def resolve(
    store: FeatureStore,
    features: list[str] | FeatureService,
    full_feature_names: bool,
    key_names: Sequence[str],
) -> Plan | None:
    """Work out the plan of a request with join keys `key_names`, by the registry as `store` has it cached.

    None for what Feast answers by itself; what it refuses raises what Feast raises.
    """
    (refs, on_demand, _, types, _, grouped, answered, request_data, _) = store._get_online_request_context(
        features, full_feature_names
    )
    # Of names Feast gives all views that are computed on demand, asked for or not.
    asked_views = {ref.partition(":")[0] for ref in refs}
    computed = any(asked_views & {view.name, view.projection.name_to_use()} for view in on_demand)
    if computed or request_data or not key_names:
        return None
    parts = [_part(view, names, full_feature_names) for view, names in grouped]
    kinds: dict[str, ValueType] = {}
    for part in parts:
        declared = {column.name: column.dtype.to_value_type() for column in part.view.entity_columns}
        for key, asked in part.request_keys.items():
            kind = declared[key]
            if kind not in (_BY_ALIAS if asked not in types else _NATIVE) or types.get(asked, kind) != kind:
                return None
            if kinds.setdefault(asked, kind) != kind:
                return None
    if set(kinds) != set(key_names):
        return None
    names = {name for part in parts for name in part.names}
    native = tuple((name, _NATIVE[kind]) for name, kind in kinds.items())
    return Plan(tuple(parts), kinds, native, frozenset(names - set(answered) - set(key_names)))


def _part(view: FeatureView, features: Sequence[str], full_feature_names: bool) -> ViewPart:
    renamed = view.projection.join_key_map
    keys = [column.name for column in view.entity_columns if column.name != DUMMY_ENTITY_ID]
    prefix = f"{view.projection.name_to_use()}__" if full_feature_names else ""
    return ViewPart(
        view,
        tuple(features),
        tuple(prefix + name for name in features),
        {key: renamed.get(key, key) for key in keys},
    )
