"""The source against servers that are not well: what they say, and when they say nothing."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from answering_server import Server
from declared_views import served, view
from feast.types import Bytes, FeastType, Int64, UnixTimestamp
from pydantic import ValidationError

from poc.definitions import ServedFeatures
from poc.errors import (
    FeatureServerFailed,
    FeatureServerUnavailable,
    FeaturesNotApplied,
    FeaturesNotServed,
    OnlineTableMissing,
    PocError,
)
from poc.retrieval.feature_server_source import FeatureServerSource, open_feature_server_source
from poc.settings import Settings

VIEW = "transaction_features"
PATIENCE_SECONDS = 0.5


class Asking:
    """A source that is read from one event loop, of entities with one join key."""

    def __init__(self, source: FeatureServerSource) -> None:
        self.source, self._loop = source, asyncio.new_event_loop()

    def read(self, ids: list[str]) -> object:
        return self._loop.run_until_complete(self.source.read([(item,) for item in ids]))

    def check(self) -> None:
        self._loop.run_until_complete(self.source.check())

    def close(self) -> None:
        self.source.close()
        self._loop.close()


@pytest.fixture
def open_source(definitions: ServedFeatures) -> Iterator[Callable[[str], Asking]]:
    opened: list[Asking] = []

    def open_at(url: str) -> Asking:
        opened.append(Asking(FeatureServerSource(url, definitions, timeout_seconds=PATIENCE_SECONDS)))
        return opened[-1]

    yield open_at
    for source in opened:
        source.close()


def right_answer(definitions: ServedFeatures, *ids: str) -> bytes:
    absent = {
        "values": [None] * len(ids),
        "statuses": ["NOT_FOUND"] * len(ids),
        "event_timestamps": ["1970-01-01T00:00:00Z"] * len(ids),
    }
    results = [{**absent, "values": list(ids)}, *(absent for _ in definitions.names)]
    names = [*definitions.key_names, *definitions.names]
    return json.dumps({"metadata": {"feature_names": names}, "results": results}).encode()


def test_question_names_the_features_and_the_ids(
    server: Server, open_source: Callable, definitions: ServedFeatures
) -> None:
    server.content = right_answer(definitions, "a", "b")
    assert open_source(server.url).read(["a", "b"]) == [None, None]
    features = [f"{VIEW}:{name}" for name in definitions.names]
    assert server.asked == [{"features": features, "entities": {"transaction_id": ["a", "b"]}}]


def test_service_that_renames_keys_is_asked_for_as_a_whole(
    server: Server, definitions: ServedFeatures
) -> None:
    [view] = definitions.views
    renamed = replace(definitions, views=(replace(view, request_keys=("payment",)),))
    asking = Asking(FeatureServerSource(server.url, renamed, timeout_seconds=PATIENCE_SECONDS))
    server.content = right_answer(renamed, "a")
    assert asking.read(["a"]) == [None]
    assert server.asked == [{"feature_service": definitions.service, "entities": {"payment": ["a"]}}]
    asking.close()


@pytest.mark.parametrize(
    ("status", "content", "expected"),
    [
        (404, b'{"detail": "Not Found"}', FeatureServerFailed),
        (422, b"{}", FeatureServerFailed),
        (500, b"Internal Server Error", FeatureServerFailed),
        (500, b'{"detail": "NoHostAvailable"}', FeatureServerFailed),
        (301, b"", FeatureServerFailed),
        (200, b"<html>", FeatureServerFailed),
        (200, b'{"metadata": {}}', FeatureServerFailed),
        (502, b"", FeatureServerUnavailable),
        (503, b"", FeatureServerUnavailable),
        (500, b'{"detail": "Feature service fraud_detection_v1 does not exist in p"}', FeaturesNotApplied),
        (500, b'{"detail": "Feature view transaction_features does not exist in p"}', FeaturesNotApplied),
        (500, b'{"detail": "[Invalid query] message=\\"table t does not exist\\""}', OnlineTableMissing),
    ],
)
def test_failed_answer_is_told_by_its_kind(
    server: Server, open_source: Callable, status: int, content: bytes, expected: type[PocError]
) -> None:
    server.status, server.content = status, content
    with pytest.raises(PocError) as caught:
        open_source(server.url).read(["a"])
    assert type(caught.value) is expected


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"detail": "No  such\\n thing"}', "it answered 500, No such thing"),
        (b"Internal Server Error", "it answered 500, Internal Server Error"),
        (b"\xff?", "it answered 500, \ufffd?"),
        (b'{"detail": "Feature service fraud_detection_v1 does not exist"}', "fraud_detection_v1"),
        (b'{"detail": "table t does not exist"}', "for fraud_detection_v1: table t does not exist"),
    ],
)
def test_failed_answer_is_told_in_the_servers_words(
    server: Server, open_source: Callable, content: bytes, said: str
) -> None:
    server.status, server.content = 500, content
    with pytest.raises(PocError) as caught:
        open_source(server.url).read(["a"])
    assert said in caught.value.what
    assert server.url in caught.value.what or type(caught.value) is not FeatureServerFailed


def test_feature_that_the_server_does_not_know_is_named(
    server: Server, open_source: Callable, definitions: ServedFeatures
) -> None:
    *_, last = definitions.names
    answer = json.loads(right_answer(definitions, "a"))
    answer["metadata"]["feature_names"].remove(last)
    answer["results"].pop()
    server.content = json.dumps(answer).encode()
    with pytest.raises(FeaturesNotServed, match=last) as refused:
        open_source(server.url).read(["a"])
    assert server.url in refused.value.what
    assert definitions.service in refused.value.what


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "byte by byte"])
def test_slow_answer_is_not_waited_for(
    server: Server, open_source: Callable, definitions: ServedFeatures, drips: bool
) -> None:
    server.content = right_answer(definitions, "a")
    server.delay_seconds, server.drips = (0.0, True) if drips else (30.0, False)
    with pytest.raises(FeatureServerUnavailable, match=r"no answer in 0\.5 s"):
        open_source(server.url).read(["a"])


def test_connections_are_kept(server: Server, open_source: Callable, definitions: ServedFeatures) -> None:
    server.content = right_answer(definitions, "a")
    source = open_source(server.url)
    for _ in range(5):
        source.read(["a"])
    assert list(server.connections.values()) == [5]


def test_connection_that_the_server_closed_is_opened_again(
    server: Server, open_source: Callable, definitions: ServedFeatures
) -> None:
    server.content, server.hang_up = right_answer(definitions, "a"), True
    source = open_source(server.url)
    assert [source.read(["a"]) for _ in range(5)] == [[None]] * 5


def test_password_in_the_address_is_sent_and_not_shown(open_source: Callable) -> None:
    with pytest.raises(FeatureServerUnavailable) as caught:
        open_source("http://user:secret@127.0.0.1:1").read(["a"])
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:6566", "ftp://host", "http://", "http://host/?x=1", ""])
def test_address_that_is_none_is_refused_with_the_settings(url: str) -> None:
    with pytest.raises(ValidationError):
        Settings(_env_file=None, feature_server_url=url)


def changed(definitions: ServedFeatures, place: int, **vector: object) -> bytes:
    answer = json.loads(right_answer(definitions, "a"))
    answer["results"][place] |= vector
    return json.dumps(answer).encode()


@pytest.mark.parametrize(
    "vector",
    [
        {"values": [1, 2]},
        {"values": [1, 2], "statuses": ["PRESENT"] * 2, "event_timestamps": ["2026-01-01T00:00:00Z"] * 2},
        {"statuses": ["PRESENT"], "event_timestamps": ["yesterday"]},
        {"statuses": ["PRESENT"], "event_timestamps": ["not a time, Z"]},
        {"statuses": ["PRESENT"], "event_timestamps": [5]},
    ],
    ids=range(5),
)
def test_vector_that_is_none_is_a_failure_of_the_server(
    server: Server, open_source: Callable, definitions: ServedFeatures, vector: dict[str, object]
) -> None:
    server.content = changed(definitions, 1, **vector)
    with pytest.raises(FeatureServerFailed, match="cannot be read"):
        open_source(server.url).read(["a"])


def test_answer_to_another_question_is_refused(
    server: Server, open_source: Callable, definitions: ServedFeatures
) -> None:
    server.content = right_answer(definitions, "b")
    with pytest.raises(FeatureServerFailed, match="other entities"):
        open_source(server.url).read(["a"])


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b"null", b"[" * 100_000], ids=range(5))
def test_what_is_no_answer_is_a_failure_of_the_server(
    server: Server, open_source: Callable, content: bytes
) -> None:
    server.content = content
    with pytest.raises(FeatureServerFailed):
        open_source(server.url).read(["a"])


def test_answer_in_pieces_is_read(server: Server, open_source: Callable, definitions: ServedFeatures) -> None:
    server.content, server.chunked = right_answer(definitions, "a"), True
    source = open_source(server.url)
    assert [source.read(["a"]) for _ in range(2)] == [[None], [None]]
    assert list(server.connections.values()) == [2]


def test_event_loop_asks_without_blocking_and_several_at_once(
    server: Server, open_source: Callable, definitions: ServedFeatures
) -> None:
    server.content, server.delay_seconds = right_answer(definitions, "a"), 0.2
    source = FeatureServerSource(server.url, definitions, timeout_seconds=5.0)

    async def ten() -> tuple[list[object], float]:
        started = time.monotonic()
        found = await asyncio.gather(*(source.read([("a",)]) for _ in range(10)))
        seconds = time.monotonic() - started
        source.close()
        await asyncio.sleep(0)
        return found, seconds

    found, seconds = asyncio.run(ten())
    assert found == [[None]] * 10
    assert seconds < 10 * 0.2


def test_no_entity_is_no_question(server: Server, open_source: Callable) -> None:
    assert open_source(server.url).read([]) == []
    assert server.asked == []


@pytest.mark.parametrize(
    ("dtype", "key", "asked"),
    [
        (Int64, 7, 7),
        (Bytes, b"as text", "as text"),
        (UnixTimestamp, datetime(1970, 1, 2, tzinfo=timezone.utc), 86400),
    ],
    ids=str,
)
def test_key_is_asked_for_in_the_words_of_feasts_server(
    server: Server, dtype: FeastType, key: object, asked: object
) -> None:
    service = served(view("one", "x", key_type=dtype))
    source = FeatureServerSource(server.url, service, timeout_seconds=PATIENCE_SECONDS)
    answer = json.loads(right_answer(service, "unused"))
    answer["results"][0]["values"] = [asked]
    server.content = json.dumps(answer).encode()
    assert asyncio.run(source.read([(key,)])) == [None]
    assert server.asked == [{"features": ["one:x"], "entities": {"id": [asked]}}]


def test_key_that_json_has_no_word_for_is_refused(server: Server, open_source: Callable) -> None:
    with pytest.raises(TypeError, match="no JSON for a join key of complex"):
        open_source(server.url).read([1j])


def test_check_asks_for_what_is_read(
    server: Server, definitions: ServedFeatures, open_source: Callable
) -> None:
    server.content = right_answer(definitions, "\N{EM DASH}")
    asking = open_source(server.url)
    asking.check()
    [asked] = server.asked
    asking.read(["\N{EM DASH}"])
    assert server.asked[1] == asked
    server.status = 503
    with pytest.raises(FeatureServerUnavailable):
        asking.check()


def test_source_is_opened_once_the_server_answered_also_where_its_first_read_takes_longer(
    server: Server, definitions: ServedFeatures, root: Path
) -> None:
    settings = Settings(
        _env_file=None,
        feast_repo_path=root / "feature_repo",
        feature_server_url=server.url,
        feature_timeout_seconds=0.2,
    )
    server.content, server.delay_seconds = right_answer(definitions, "\N{EM DASH}"), 0.5
    opened = open_feature_server_source(settings)
    assert opened.served == definitions
    with pytest.raises(FeatureServerUnavailable, match=r"no answer in 0\.2 s"):
        asyncio.run(opened.check())
    opened.close()


def test_source_of_a_server_that_fails_is_not_opened(server: Server, root: Path) -> None:
    server.status = 500
    settings = Settings(_env_file=None, feast_repo_path=root / "feature_repo", feature_server_url=server.url)
    with pytest.raises(FeatureServerFailed, match="it answered 500"):
        open_feature_server_source(settings)


@pytest.mark.parametrize("keys", [[("a", "more")], [("a",), ("b", "more")]], ids=["all", "some"])
def test_key_of_other_parts_than_the_services_is_nobodys(
    server: Server, open_source: Callable, keys: list[tuple[str, ...]]
) -> None:
    with pytest.raises(ValueError, match="zip"):
        asyncio.run(open_source(server.url).source.read(keys))
    assert server.asked == []


def test_answer_that_is_marked_as_none_is_not_read_whatever_it_looks_like(
    server: Server, open_source: Callable, definitions: ServedFeatures
) -> None:
    server.status, server.content = 300, right_answer(definitions, "a")
    with pytest.raises(FeatureServerFailed, match="it answered 300"):
        open_source(server.url).read(["a"])
