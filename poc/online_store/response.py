"""Feast's `OnlineResponse` over rows as they were read; its protobuf is made when somebody asks for it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from feast.online_response import TIMESTAMP_POSTFIX, OnlineResponse
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.Value_pb2 import Value
from feast.type_map import python_values_to_proto_values
from feast.value_type import ValueType
from google.protobuf.timestamp_pb2 import Timestamp

from poc.online_store.view_reader import Found, ViewReader, event_time

_ABSENT = Value()
_NOBODYS = Timestamp()


@dataclass(slots=True, eq=False)
class Answered:
    """What was read of one view.

    Attributes:
        names: of the features in the answer, in the reader's order.
        rows: of each entity that was asked for; None for one that is not stored.
        dropped: names that are left out of the answer.
    """

    reader: ViewReader
    names: tuple[str, ...]
    rows: Sequence[Found | None]
    dropped: frozenset[str]

    def event_times(self) -> list[datetime | None]:
        """Return each entity's event time, UTC-aware; None where it is not stored, or was stored without."""
        return [None if row is None else event_time(row) for row in self.rows]

    def present(self, row: Found | None, place: int) -> bool:
        """Tell whether the feature at `place` was ever written for the entity of `row`: it may be null."""
        return row is not None and (self.reader.stored[place] or row[place] is not None)

    def columns(self) -> Iterator[tuple[str, list[Any]]]:
        """Return the values as Feast's `to_dict` does, by the answered name."""
        # The event times come last, and are no feature.
        for name, plain, values in zip(self.names, self.reader.plain, self._by_feature(), strict=False):
            if name in self.dropped:
                continue
            if plain is None:
                yield name, list(values)
            else:
                yield name, [None if value is None else plain(value) for value in values]

    def _by_feature(self) -> Iterable[Sequence[Any]]:
        rows = self.rows
        if None not in rows:
            return zip(*rows, strict=True)
        nothing = (None,) * (len(self.names) + 1)
        return zip(*(nothing if row is None else row for row in rows), strict=True)


@dataclass(eq=False, repr=False)
class ResolvedResponse(OnlineResponse):  # type: ignore[misc]
    """The answer to a call that was resolved before: native values of the join keys, and what was read."""

    entity_values: Mapping[str, list[Any]]
    kinds: Mapping[str, ValueType]
    answered: Sequence[Answered]

    def to_dict(self, include_event_timestamps: bool = False) -> dict[str, Any]:
        """Return the values by name; see `OnlineResponse.to_dict`."""
        if include_event_timestamps:
            return self._with_times()
        answer: dict[str, list[Any]] = {name: list(values) for name, values in self.entity_values.items()}
        for part in self.answered:
            answer.update(part.columns())
        return answer

    def _with_times(self) -> dict[str, list[Any]]:
        answer: dict[str, list[Any]] = {}
        for name, values in self.entity_values.items():
            answer[name] = list(values)
            answer[name + TIMESTAMP_POSTFIX] = [0] * len(values)
        for part in self.answered:
            seconds = [int(_timestamp(moment).seconds) for moment in part.event_times()]
            for name, values in part.columns():
                answer[name] = values
                answer[name + TIMESTAMP_POSTFIX] = list(seconds)
        return answer

    @cached_property
    def proto(self) -> GetOnlineFeaturesResponse:
        """The protobuf; the same one each time."""
        message, vector = GetOnlineFeaturesResponse(results=[]), GetOnlineFeaturesResponse.FeatureVector
        names, vectors = message.metadata.feature_names.val, message.results
        for name, given in self.entity_values.items():
            values = python_values_to_proto_values(given, self.kinds[name])
            statuses, times = [FieldStatus.PRESENT] * len(given), [_NOBODYS] * len(given)
            names.append(name)
            vectors.append(vector(values=values, statuses=statuses, event_timestamps=times))
        for part in self.answered:
            times = [_timestamp(moment) for moment in part.event_times()]
            for place, (name, proto) in enumerate(zip(part.names, part.reader.proto, strict=True)):
                if name in part.dropped:
                    continue
                there = [row if part.present(row, place) else None for row in part.rows]
                statuses = [FieldStatus.NOT_FOUND if row is None else FieldStatus.PRESENT for row in there]
                values = [_ABSENT if row is None else proto(row[place]) for row in there]
                names.append(name)
                vectors.append(vector(values=values, statuses=statuses, event_timestamps=times))
        return message


def _timestamp(moment: datetime | None) -> Timestamp:
    made = Timestamp()
    if moment is not None:
        made.FromDatetime(moment)
    return made
