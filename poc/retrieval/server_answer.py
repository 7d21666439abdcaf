"""What the answer of `feast serve` says: JSON, one vector a feature, in no particular order.

A null is null whether a NaN or nothing was stored. An infinite number it cannot say at all: JSON has
none, and Feast 0.38's server answers 500 for the whole question.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from poc.retrieval.lookup import Stored
from poc.retrieval.source import Value
from poc.retrieval.values import json_value

ABSENT = "NOT_FOUND"


class UnreadableAnswer(ValueError):
    """The answer is not what a feature server answers."""


class FeaturesLeftOut(Exception):
    """The answer lacks features.

    Attributes:
        features: which.
    """

    def __init__(self, features: Sequence[str]) -> None:
        super().__init__(", ".join(features))
        self.features = tuple(features)


def read_answer(
    content: bytes, join_key: str, asked: Sequence[str], fields: Sequence[tuple[str, str]]
) -> list[Stored | None]:
    """Give what is stored of each id, in their order; None for an absent one.

    Args:
        content: the answer's body.
        join_key: name of the id's column.
        asked: the ids that were asked for.
        fields: for each feature, in declared order, the field of Feast's Value message that its type has.

    Raises:
        UnreadableAnswer: it is no answer, or one to another question.
        FeaturesLeftOut: it does not have all features.
        FeaturesOutdated: a value does not fit its declared type.
    """
    try:
        answer = json.loads(content)
        vectors = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
        if vectors[join_key]["values"] != list(asked):
            raise UnreadableAnswer("it answers for other ids than those asked for")
        missing = [name for name, _ in fields if name not in vectors]
        if missing:
            raise FeaturesLeftOut(missing)
        columns = [_column(vectors[name], field, name, len(asked)) for name, field in fields]
        return [_stored([name for name, _ in fields], row) for row in zip(*columns, strict=True)]
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UnreadableAnswer(str(error) or type(error).__name__) from error


def _column(vector: Any, field: str, name: str, length: int) -> list[tuple[Value, str, str]]:
    column = [
        (json_value(value, field, name), status, moment)
        for value, status, moment in zip(
            vector["values"], vector["statuses"], vector["event_timestamps"], strict=True
        )
    ]
    if len(column) != length:
        raise UnreadableAnswer(f"it has {len(column)} values of {name} for {length} ids")
    return column


def _stored(names: Sequence[str], row: Sequence[tuple[Value, str, str]]) -> Stored | None:
    # A feature that was added after the last materialization is absent, its row is not.
    moments = [moment for _, status, moment in row if status != ABSENT]
    if not moments:
        return None
    return _moment(moments[0]), {name: value for name, (value, _, _) in zip(names, row, strict=True)}


def _moment(text: str) -> datetime:
    from google.protobuf.timestamp_pb2 import Timestamp

    # Python before 3.11 reads neither the Z nor all fractions that Protobuf writes.
    parsed = Timestamp()
    parsed.FromJsonString(text)
    moment: datetime = parsed.ToDatetime(tzinfo=timezone.utc)
    return moment
