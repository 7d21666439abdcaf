"""Feast's stored values as Python values, by the declared type.

Feast's own call gives whatever type was stored. Here a value that was stored under an earlier
declaration is converted where nothing is lost, and refused where something would be.
"""

import math
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from poc.errors import FeaturesOutdated

if TYPE_CHECKING:
    from feast.protos.feast.types.Value_pb2 import Value as ValueProto
    from feast.types import FeastType

_WHOLE = ("int32_val", "int64_val")
_REAL = ("float_val", "double_val")
# What a JSON value can have been stored as.
_JSON_KINDS = {bool: "bool_val", int: "int64_val", float: "double_val", str: "string_val"}


def proto_field(dtype: "FeastType") -> str:
    """Name the field of Feast's Value message that holds a value of `dtype`."""
    return f"{dtype.to_value_type().name.lower()}_val"


def python_value(proto: "ValueProto", field: str, feature: str) -> Any:
    """Read a stored value that is declared to be in `field`; None where it is null or not a number.

    Lists come as lists, timestamps as UTC datetimes.

    Raises:
        FeaturesOutdated: it is of another type; `feature` is named in the message.
    """
    kind = proto.WhichOneof("val")
    if kind is None or kind == "null_val":
        return None
    if kind.endswith("_list_val") or kind == "unix_timestamp_val":
        from feast.type_map import feast_value_type_to_python_type

        value = feast_value_type_to_python_type(proto)
    else:
        value = getattr(proto, kind)
    if kind != field:
        value = _converted(value, kind, field, feature)
    return None if isinstance(value, float) and math.isnan(value) else value


def json_value(given: Any, field: str, feature: str) -> Any:
    """Read a value that Feast wrote as JSON; the same value as `python_value` gives for the stored one.

    Raises:
        FeaturesOutdated: it is of another type than `field`; `feature` is named in the message.
    """
    if given is None:
        return None
    if field.endswith("_list_val"):
        if not isinstance(given, list):
            raise FeaturesOutdated(
                f"{feature} is stored as no list and declared as {field.removesuffix('_val')}"
            )
        item_field = field.removesuffix("_list_val") + "_val"
        return [_json_item(item, item_field, feature) for item in given]
    value = _json_item(given, field, feature)
    return None if isinstance(value, float) and math.isnan(value) else value


def _json_item(given: Any, field: str, feature: str) -> Any:
    if field == "unix_timestamp_val" and type(given) is int:
        return datetime.fromtimestamp(given, tz=timezone.utc)
    if field == "bytes_val" and isinstance(given, str):
        return given.encode()
    kind = _JSON_KINDS.get(type(given), f"{type(given).__name__}_val")
    return given if kind == field else _converted(given, kind, field, feature)


def _converted(value: Any, kind: str, field: str, feature: str) -> Any:
    if kind in _WHOLE and field in _WHOLE:
        return value
    if kind in _WHOLE + _REAL and field in _REAL:
        return float(value)
    if kind in _REAL and field in _WHOLE and float(value).is_integer():
        return int(value)
    raise FeaturesOutdated(
        f"{feature} is stored as {kind.removesuffix('_val')} and declared as {field.removesuffix('_val')}"
    )
