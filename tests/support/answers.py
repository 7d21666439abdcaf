"""All that an answer of Feast's says, so that two can be compared."""

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from feast.online_response import OnlineResponse


def outcome(call: Callable[[], Any], seen: Callable[[Any], Any]) -> Any:
    """Return what is seen of an answer, or the error's type and message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            answer = call()
        except Exception as error:
            return type(error), str(error)
    return seen(answer)


def looked_at(answer: OnlineResponse) -> dict[str, Any]:
    """Return all that an answer says, but for the order of its columns."""
    return {
        "dict": outcome(answer.to_dict, comparable),
        "times": outcome(lambda: answer.to_dict(include_event_timestamps=True), comparable),
        "frame": outcome(
            answer.to_df, lambda frame: (_frame_types(frame), comparable(frame.to_dict("list")))
        ),
        "frame with times": outcome(lambda: answer.to_df(True), _frame_types),
        "arrow": outcome(answer.to_arrow, _arrow_columns),
        "messages": _messages(answer),
    }


def comparable(value: Any) -> Any:
    """Make a NaN equal to itself, and 1 another thing than True and 1.0."""
    if isinstance(value, Mapping):
        return {name: comparable(item) for name, item in value.items()}
    if isinstance(value, list):
        return [comparable(item) for item in value]
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return type(value), value


def _messages(answer: OnlineResponse) -> dict[tuple[str, int], bytes]:
    """Return each feature vector, statuses and times included, by its name and the count of its like."""
    found: dict[tuple[str, int], bytes] = {}
    for name, vector in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True):
        number = sum(1 for known, _ in found if known == name)
        found[name, number] = vector.SerializeToString(deterministic=True)
    return found


def _frame_columns(frame: Any) -> Any:
    return _frame_types(frame), comparable(frame.to_dict("list"))


def _frame_types(frame: Any) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in frame.dtypes.items()}


def _arrow_columns(table: Any) -> Any:
    return {field.name: str(field.type) for field in table.schema}, comparable(table.to_pydict())
