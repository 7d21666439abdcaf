"""Feature repositories, stored rows and requests as Hypothesis draws them: what Feast 0.38 accepts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, StreamFeatureView
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import (
    Array,
    Bool,
    Bytes,
    FeastType,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
)
from feast.value_type import ValueType
from hypothesis import strategies as st

from poc.online_store.types import COLUMN_TYPES

NOON = datetime(2024, 5, 6, 12, tzinfo=timezone.utc)
MISSING = "missing"
SCALARS: Mapping[FeastType, st.SearchStrategy] = {
    Int32: st.integers(-(2**31), 2**31 - 1),
    Int64: st.integers(-(2**63), 2**63 - 1),
    Float32: st.floats(width=32),
    Float64: st.floats(),
    String: st.text(max_size=20),
    Bytes: st.binary(max_size=20),
    Bool: st.booleans(),
    UnixTimestamp: st.integers(-2_000_000_000, 7_000_000_000),
}
TYPES = SCALARS | {Array(dtype): st.lists(values, max_size=3) for dtype, values in SCALARS.items()}
# Keys of these types are whatever Feast has; the rest its key encoding, which most stores use, does not know.
COMMON_KEYS = (String, Int64, Int32, Bytes)
OTHER_KEYS = (UnixTimestamp, Float32, Float64, Bool)
KEY_VALUES: Mapping[FeastType, Sequence[Any]] = {
    String: ("a", "b", "ü\0", "7", "\0", "x" * 300),
    Int64: (0, 1, -1, 2**40, 2**63 - 1, 7),
    Int32: (0, 1, -1, 2**31 - 1, 7),
    Bytes: (b"a", b"\xff\0", b"7"),
    UnixTimestamp: (datetime(2024, 5, 6, tzinfo=timezone.utc), datetime(1960, 1, 1, tzinfo=timezone.utc)),
    Float32: (0.5, -1.25, 3.0),
    Float64: (0.1, -1.5, 3.0),
    Bool: (True, False),
}
# What no key of the declared type is, or only after a conversion; an empty one may be a null to Feast.
ODD_VALUES = (None, "", b"", "a", 7, True, 0.5, 2**70, b"a", "\ud800", float("nan"))
FEATURES = ("a", "a__b", "b__", "k0", "event_timestamp")


@dataclass(frozen=True)
class View:
    """A view of a repository, and what is stored for it.

    Attributes:
        keys: places of its entities among the repository's.
        features: type by name.
        kind: `plain`, `push` or `stream`.
        keys_in_schema: whether its schema repeats the join keys.
        rows: by values of the keys, in their order: a value by feature, None for null, absent where missing.
    """

    name: str
    keys: tuple[int, ...]
    features: Mapping[str, FeastType]
    kind: str
    keys_in_schema: bool
    rows: Mapping[tuple[Any, ...], Mapping[str, Any]]


@dataclass(frozen=True)
class Repository:
    """Entities `e0`, `e1`, ... with join keys `k0`, `k1`, ..., and the views over them."""

    keys: tuple[FeastType, ...]
    views: tuple[View, ...]

    def objects(self, prefix: str) -> list[Any]:
        """Make Feast's objects of it; `prefix` precedes the views' names."""
        entities = [
            Entity(name=f"e{place}", join_keys=[f"k{place}"], value_type=_value_type(dtype))
            for place, dtype in enumerate(self.keys)
        ]
        return [*entities, *(self._view(view, entities, prefix) for view in self.views)]

    def _view(self, view: View, entities: Sequence[Entity], prefix: str) -> FeatureView:
        schema = [Field(name=name, dtype=dtype) for name, dtype in view.features.items()]
        if view.keys_in_schema:
            schema += [Field(name=f"k{place}", dtype=self.keys[place]) for place in view.keys]
        name = prefix + view.name
        source: Any = FileSource(name=f"{name}_file", path="/nowhere.parquet", timestamp_field="event_time")
        if view.kind != "plain":
            source = PushSource(name=f"{name}_push", batch_source=source)
        make = StreamFeatureView if view.kind == "stream" else FeatureView
        return make(
            name=name,
            entities=[entities[place] for place in view.keys],
            ttl=timedelta(0),
            schema=schema,
            source=source,
        )

    def rows(self, view: View) -> list[tuple[EntityKey, dict[str, Value], datetime, None]]:
        """Return what is stored for `view`, as Feast hands it to a store."""
        return [
            (self._key(view, key), self._values(view, values), NOON + timedelta(hours=place), None)
            for place, (key, values) in enumerate(view.rows.items())
        ]

    def _key(self, view: View, key: tuple[Any, ...]) -> EntityKey:
        if not view.keys:
            value = Value(string_val=DUMMY_ENTITY_VAL)
            return EntityKey(join_keys=[DUMMY_ENTITY_ID], entity_values=[value])
        values = [_proto(self.keys[place], value) for place, value in zip(view.keys, key, strict=True)]
        return EntityKey(join_keys=[f"k{place}" for place in view.keys], entity_values=values)

    def _values(self, view: View, values: Mapping[str, Any]) -> dict[str, Value]:
        return {name: _proto(view.features[name], value) for name, value in values.items()}


@dataclass(frozen=True)
class Request:
    """A call for online features.

    Attributes:
        features: references, or, by view, a service's projections: features, name and join keys instead.
        full: `full_feature_names`.
        values: of the join keys.
    """

    features: tuple[str, ...] | tuple[tuple[str, tuple[str, ...], str | None, Mapping[str, str]], ...]
    full: bool
    values: Mapping[str, list[Any]]

    @property
    def by_service(self) -> bool:
        """Whether it names a service."""
        return bool(self.features) and not isinstance(self.features[0], str)

    def service(self, name: str, views: Mapping[str, FeatureView]) -> FeatureService:
        """Make the service that it names."""
        projections = []
        for view, features, alias, keys in self.features:
            projection = views[view][list(features)]
            projection = projection if alias is None else projection.with_name(alias)
            projections.append(projection.with_join_key_map(dict(keys)) if keys else projection)
        return FeatureService(name=name, features=projections)


@st.composite
def repositories(draw: st.DrawFn, key_types: Sequence[FeastType] = COMMON_KEYS) -> Repository:
    """Draw one of up to three entities and four views."""
    keys = tuple(draw(st.lists(st.sampled_from(key_types), min_size=1, max_size=3)))
    views = tuple(draw(_views(keys, f"v{place}")) for place in range(draw(st.integers(1, 4))))
    return Repository(keys, views)


@st.composite
def _views(draw: st.DrawFn, keys: tuple[FeastType, ...], name: str) -> View:
    least = min(1, draw(st.integers(0, 5)))
    places = st.sampled_from(range(len(keys)))
    chosen = tuple(draw(st.lists(places, min_size=least, max_size=2, unique=True)))
    own = {f"k{place}" for place in chosen}
    # Most names are of this view only: two features of one name are refused unless names are full.
    likely = [f"{name}_{letter}" for letter in "pqr"]
    possible = st.sampled_from([*likely, *likely, *FEATURES])
    names = draw(st.lists(possible, min_size=1, max_size=4, unique=True))
    features = {item: draw(st.sampled_from(list(TYPES))) for item in names if item not in own}
    features = features or {"a": Int64}
    stored = {}
    for _ in range(draw(st.integers(0, 4))):
        key = tuple(draw(st.sampled_from(KEY_VALUES[keys[place]])) for place in chosen)
        stored[key] = {
            item: value
            for item, dtype in features.items()
            if (value := draw(st.one_of(st.none(), st.just(MISSING), *[TYPES[dtype]] * 3))) is not MISSING
        }
    return View(
        name,
        chosen,
        features,
        draw(st.sampled_from(("plain", "plain", "push", "stream"))),
        # A view without entities has no key to repeat.
        draw(st.booleans()),
        {key: values for key, values in stored.items() if values},
    )


@st.composite
def requests(draw: st.DrawFn, repository: Repository, prefix: str) -> Request:
    """Draw one that asks some views of `repository`, most often rightly."""
    views = draw(st.lists(st.sampled_from(repository.views), min_size=1, max_size=3, unique_by=id))
    needed: dict[str, FeastType] = {}
    if draw(st.booleans()):
        features: Any = tuple(draw(_projection(repository, view, prefix, needed)) for view in views)
    else:
        features = tuple(draw(_references(repository, views, prefix)))
        needed = {f"k{place}": repository.keys[place] for view in views for place in view.keys}
    # Where a key stands after its other name, Feast takes it for both: see the store's universal tests.
    names = sorted(draw(st.permutations(list(needed))), key=lambda name: name.startswith("other_"))
    rows = draw(st.integers(1, 5))
    values = {name: draw(_values(needed[name], rows)) for name in names}
    return Request(features, draw(st.booleans()), draw(_mistaken(values, repository, rows)))


@st.composite
def _references(draw: st.DrawFn, repository: Repository, views: Sequence[View], prefix: str) -> list[str]:
    known = [f"{prefix}{view.name}:{name}" for view in views for name in _answered(view)]
    once = draw(st.integers(0, 7)) > 0
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=6, unique=once))
    if draw(st.integers(0, 14)) == 0:
        chosen.append(draw(st.sampled_from((f"{prefix}v0:none", "none:a", "nonsense", f"{prefix}v0:a:b"))))
    return chosen


@st.composite
def _projection(
    draw: st.DrawFn, repository: Repository, view: View, prefix: str, needed: dict[str, FeastType]
) -> tuple[str, tuple[str, ...], str | None, Mapping[str, str]]:
    names = draw(st.lists(st.sampled_from(_answered(view)), min_size=1, unique=True))
    alias = draw(st.sampled_from((None, None, f"as_{view.name}")))
    keys = [f"k{place}" for place in view.keys]
    renamed = {}
    for key in keys:
        dtype = repository.keys[int(key[1:])]
        # An Int32 by another name Feast takes for an Int64, and finds nothing.
        other = None if dtype == Int32 else draw(st.sampled_from((None, None, f"other_{key}")))
        needed[key if other is None else other] = dtype
        if other is not None:
            renamed[key] = other
    return prefix + view.name, tuple(names), alias, renamed


def _answered(view: View) -> list[str]:
    """Name the features that Feast has of a view: a repeated join key stays one of a stream's."""
    repeated = [f"k{place}" for place in view.keys] if view.kind == "stream" and view.keys_in_schema else []
    return [*view.features, *repeated]


@st.composite
def _values(draw: st.DrawFn, dtype: FeastType, rows: int) -> list[Any]:
    known = st.sampled_from(KEY_VALUES[dtype])
    odd = st.sampled_from(ODD_VALUES)
    one = st.one_of(known, odd) if draw(st.integers(0, 7)) == 0 else known
    return draw(st.lists(one, min_size=rows, max_size=rows))


@st.composite
def _mistaken(
    draw: st.DrawFn, values: Mapping[str, list[Any]], repository: Repository, rows: int
) -> Mapping[str, list[Any]]:
    """Draw what is wrong with the names of the join keys: nothing, most often."""
    mistake = draw(st.sampled_from((*[None] * 25, "without", "more", "unknown", "entity", "uneven")))
    names = list(values)
    if mistake == "more":
        place = draw(st.sampled_from(range(len(repository.keys))))
        return {**values, f"k{place}": draw(_values(repository.keys[place], rows))}
    if mistake == "unknown":
        return {**values, "unknown": [1] * rows}
    if mistake is None or not names:
        return values
    name = draw(st.sampled_from(names))
    if mistake == "without":
        return {other: content for other, content in values.items() if other != name}
    if mistake == "uneven":
        return {**values, name: [*values[name], *values[name][:1]]}
    return {f"e{other[1:]}" if other == name else other: content for other, content in values.items()}


def _value_type(dtype: FeastType) -> ValueType:
    return ValueType[dtype.to_value_type().name]


def _proto(dtype: FeastType, value: Any) -> Value:
    if value is None:
        return Value()
    kind = COLUMN_TYPES[dtype.to_value_type()]
    if kind.items is not None:
        return Value(**{kind.attribute: kind.items(val=value)})
    return Value(**{kind.attribute: int(value.timestamp()) if isinstance(value, datetime) else value})
