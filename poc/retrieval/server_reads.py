"""Reads of the features of one service, each by one question to a feature server."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx

from poc.definitions import FeatureSet
from poc.errors import (
    FeatureServerFailed,
    FeaturesNotApplied,
    FeaturesNotServed,
    OnlineTableMissing,
    PocError,
)
from poc.retrieval.feature_server import FeatureServer
from poc.retrieval.lookup import Stored
from poc.retrieval.reads import PROBE_ID, ReadAsync
from poc.retrieval.server_answer import FeaturesLeftOut, UnreadableAnswer, read_answer
from poc.retrieval.tables import Deadline, refusal
from poc.retrieval.values import proto_field

SHOWN_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class ServerReads:
    """`Reads` by one question to a feature server.

    Attributes:
        service: the feature service.
        definitions: its features.
        fields: for each, in declared order, the field of Feast's Value message that its type has.
        server: whom to ask from any thread.
        on_loop: whom to ask from the serving event loop; None where there is no such.
    """

    service: str
    definitions: FeatureSet
    fields: tuple[tuple[str, str], ...]
    server: FeatureServer
    on_loop: FeatureServer | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """See `Reads`."""
        return self.definitions.names

    @property
    def ttl(self) -> timedelta | None:
        """See `Reads`."""
        return self.definitions.ttl

    def read(self, transaction_ids: Sequence[str], deadline: Deadline) -> list[Stored | None]:
        """See `Reads`."""
        return self.server.run(self._ask(self.server, transaction_ids, deadline), deadline)

    @property
    def read_async(self) -> ReadAsync | None:
        """See `Reads`."""
        return None if self.on_loop is None else partial(self._ask, self.on_loop)

    def probe(self, deadline: Deadline) -> None:
        """See `Reads`."""
        self.read([PROBE_ID], deadline)

    def require_filled(self, deadline: Deadline) -> None:
        """See `Reads`. The server cannot be asked."""

    async def _ask(
        self, server: FeatureServer, transaction_ids: Sequence[str], deadline: Deadline
    ) -> list[Stored | None]:
        # Feast's server fails on a question for nothing.
        if not transaction_ids:
            return []
        join_key = self.definitions.join_key
        question = {"feature_service": self.service, "entities": {join_key: list(transaction_ids)}}
        answer = await server.ask(json.dumps(question).encode(), deadline)
        if not answer.is_success:
            raise self._failure(server.where, answer)
        try:
            return read_answer(answer.content, join_key, transaction_ids, self.fields)
        except FeaturesLeftOut as error:
            raise FeaturesNotServed(server.where, self.service, error.features) from error
        except UnreadableAnswer as error:
            raise FeatureServerFailed(server.where, f"its answer cannot be read: {error}") from error

    def _failure(self, where: str, answer: httpx.Response) -> PocError:
        """Tell what the server means by an answer that is none; Feast gives its exception's text."""
        said = failure_text(answer)
        if self.service in said and "does not exist" in said:
            return FeaturesNotApplied(self.service)
        known = refusal(said, lambda: OnlineTableMissing(f"for {self.definitions.view}: {said}"))
        return known or FeatureServerFailed(where, f"it answered {answer.status_code}, {said}")


def fields_of(definitions: FeatureSet) -> tuple[tuple[str, str], ...]:
    """Give for each feature, in declared order, the field of Feast's Value message that its type has."""
    return tuple((feature.name, proto_field(feature.dtype)) for feature in definitions.features)


def failure_text(answer: httpx.Response) -> str:
    """Give what a failed answer says, cut to a length that fits a message."""
    try:
        said = str(answer.json()["detail"])
    except (ValueError, LookupError, TypeError, RecursionError):
        said = answer.text
    return " ".join(said.split())[:SHOWN_CHARACTERS]
