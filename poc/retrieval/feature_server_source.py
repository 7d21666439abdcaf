"""Features read from a Feast feature server: no connection to Cassandra, and no registry, on this side.

Names, types and ttl are those that the repository declares. Whether the store was ever filled, the server
cannot be asked: an empty one gives unknown entities. An infinite number it cannot say at all: JSON has none,
and Feast 0.38's server answers 500 for the whole.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp

from poc import errors
from poc.definitions import Feature, ServedFeatures
from poc.online_store.failures import refusal
from poc.repository import declared_service
from poc.retrieval.entities import Entities, Fitting, ViewValues, fitting, misfit, references
from poc.retrieval.feature_server import FeatureServer, HttpAnswer
from poc.retrieval.source import EntityFeatures, EntityKey, Value, probe_key
from poc.settings import Settings

# The server connects to Cassandra in its first read, which takes longer than any other.
FIRST_READ_SECONDS = 5.0
ABSENT = "NOT_FOUND"
SHOWN_CHARACTERS = 300

Vectors: TypeAlias = Mapping[str, Mapping[str, Sequence[Any]]]


def open_feature_server_source(settings: Settings) -> "FeatureServerSource":
    """Read the definitions, and find out that the server of `settings` has their features. Blocks.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        FeaturesNotApplied: the server's registry or online store does not know the features.
        FeatureServerUnavailable, FeatureServerFailed: no server answers, or it says something else.
    """
    seconds = settings.feature_timeout_seconds
    served = declared_service(settings)
    source = FeatureServerSource(settings.feature_server_url, served, timeout_seconds=seconds)
    try:
        asyncio.run(source.check(max(FIRST_READ_SECONDS, seconds)))
    except BaseException:
        source.close()
        raise
    return source


class FeatureServerSource:
    """The features of one feature service, as they are declared, asked of a feature server at `url`."""

    name = "feature-server"

    def __init__(self, url: str, served: ServedFeatures, *, timeout_seconds: float) -> None:
        self.served, self._key_names = served, served.key_names
        self._server = FeatureServer(url)
        self._timeout_seconds = timeout_seconds
        self._entities = Entities(served)
        self._columns = [[(item.name, json_fitting(item)) for item in view.features] for view in served.views]
        # By names where it can be: the server parses a service anew for each question.
        names = references(served)
        self._wanted = {"feature_service": served.service} if names is None else {"features": names}

    async def read(self, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        """See `FeatureSource.read`."""
        # Feast's server fails on a question for nothing.
        return await self._read(keys, self._timeout_seconds) if keys else []

    async def check(self, seconds: float | None = None) -> None:
        """See `FeatureSource.check`; within `seconds`, or the time limit of a read."""
        await self._read([probe_key(self.served)], self._timeout_seconds if seconds is None else seconds)

    def close(self) -> None:
        """Close the connections. A second call does nothing."""
        self._server.close()

    async def _read(self, keys: Sequence[EntityKey], seconds: float) -> list[EntityFeatures | None]:
        columns = dict(zip(self._key_names, map(list, zip(*keys, strict=True)), strict=True))
        question = json.dumps({**self._wanted, "entities": columns}, default=_json_key)
        answer = await self._server.ask(question.encode(), seconds)
        if not 200 <= answer.status < 300:
            raise self._failure(answer)
        try:
            vectors = answer_vectors(answer.content, columns)
            missing = [name for name in self._entities.names if name not in vectors]
            if missing:
                raise errors.FeaturesNotServed(self._server.where, self.served.service, missing)
            return self._entities.of(keys, [view_values(item, vectors, len(keys)) for item in self._columns])
        except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            reason = f"its answer cannot be read: {str(error) or type(error).__name__}"
            raise errors.FeatureServerFailed(self._server.where, reason) from error

    def _failure(self, answer: HttpAnswer) -> errors.PocError:
        """Tell what the server means by an answer that is none; Feast gives its exception's text."""
        said, where = _failure_text(answer.content), self._server.where
        known = {self.served.service, *(view.definitions.view for view in self.served.views)}
        if "does not exist" in said and any(f" {name} " in f" {said} " for name in known):
            return errors.FeaturesNotApplied(self.served.service)
        refused = refusal(said, lambda: errors.OnlineTableMissing(f"for {self.served.service}: {said}"))
        return refused or errors.FeatureServerFailed(where, f"it answered {answer.status}, {said}")


def json_fitting(feature: Feature) -> Fitting:
    """Return the function from what JSON has of `feature`, not null, to the value; see `fitting`."""
    from feast.types import Array, Bytes, UnixTimestamp

    if isinstance(feature.dtype, Array):
        item = json_fitting(Feature(feature.name, feature.dtype.base_type, "", {}))
        as_list = fitting(feature)

        def items(given: Any) -> Value:
            return [None if part is None else item(part) for part in as_list(given)]  # type: ignore[union-attr]

        return items
    if feature.dtype not in (Bytes, UnixTimestamp):
        return fitting(feature)

    def converted(given: Any) -> Value:
        if feature.dtype == UnixTimestamp and type(given) is int:
            return datetime.fromtimestamp(given, tz=timezone.utc)
        if feature.dtype == Bytes and isinstance(given, str):
            return given.encode()
        raise misfit(feature, given)

    return converted


def answer_vectors(content: bytes, columns: Mapping[str, Sequence[Any]]) -> Vectors:
    """Return the vectors of an answer by name. What this raises means that it is none to this question."""
    answer = json.loads(content)
    vectors: Vectors = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
    for name, asked in columns.items():
        if type(asked[0]) in (str, int) and vectors[name]["values"] != asked:
            raise ValueError("it answers for other entities than those asked for")
    return vectors


def view_values(
    columns: Sequence[tuple[str, Fitting]], vectors: Vectors, length: int
) -> list[ViewValues | None]:
    """Return what the answer says of each of `length` entities in one view; None for an absent one.

    Besides what the fittings raise, a vector of another length is a `ValueError`.
    """
    found: list[ViewValues | None] = []
    parts = []
    for name, fit in columns:
        vector = vectors[name]
        values, statuses, times = vector["values"], vector["statuses"], vector["event_timestamps"]
        if not len(values) == len(statuses) == len(times) == length:
            raise ValueError(f"it has {len(values)} values of {name} for {length} entities")
        parts.append((name, fit, values, statuses, times))
    for place in range(length):
        row: dict[str, Value] = {}
        time: str | None = None
        for name, fit, values, statuses, times in parts:
            if statuses[place] != ABSENT:
                given = values[place]
                row[name] = None if given is None else fit(given)
                time = times[place] if time is None else time
        found.append(None if time is None else (row, _moment(time)))
    return found


def _failure_text(content: bytes) -> str:
    try:
        said = str(json.loads(content)["detail"])
    except (ValueError, LookupError, TypeError, RecursionError):
        said = content.decode(errors="replace")
    return " ".join(said.split())[:SHOWN_CHARACTERS]


def _json_key(part: Any) -> Any:
    if isinstance(part, bytes):
        return part.decode()
    if isinstance(part, datetime):
        return int(part.timestamp())
    raise TypeError(f"no JSON for a join key of {type(part).__name__}")


def _moment(text: str) -> datetime:
    moment = Timestamp()
    moment.FromJsonString(text)
    return moment.ToDatetime(tzinfo=timezone.utc)
