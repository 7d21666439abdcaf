"""A feature service that takes some features, or changes while it is read: what each way does about it."""

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from reading_ways import WAYS, Backend, Make, Way
from stored_features import Row, apply, write_through_feast

from poc.definitions import read_definitions, read_served_definitions

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FEAST_WAYS = [way for way in WAYS if way.source == "feast"]
PAYMENT = {"amount": 500.0, "transaction_hour": 14, "merchant_category": "Travel"}
ADDED = 'Field(name="new_feature", dtype=Float64),\n    ],\n    online=True,'


def edit(backend: Backend, pattern: str, replacement: str) -> None:
    path = backend.settings.feast_repo_path / "features.py"
    text, count = re.subn(pattern, replacement, path.read_text(), flags=re.DOTALL)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_service_of_some_features_gives_those(make_backend: Make, opened: Callable, way: Way) -> None:
    backend = make_backend(way)
    chosen = 'features=[transaction_features[["transaction_hour", "amount"]]]'
    edit(backend, r"features=\[transaction_features\]", chosen)
    if way.source == "feast":
        apply(backend.settings)
    backend.write(Row("12345", PAYMENT, NOW - timedelta(hours=1)))
    source = opened(backend)
    [found] = source.read(["12345"])
    assert source.feature_names == read_served_definitions(backend.settings).names
    assert list(found.values.items()) == [("amount", 500.0), ("transaction_hour", 14)]


@pytest.mark.parametrize("way", FEAST_WAYS, ids=str)
def test_feature_is_added_between_two_reads_and_never_within_one(
    make_backend: Make, opened: Callable, way: Way
) -> None:
    backend = make_backend(way)
    backend.write(Row("12345", PAYMENT, NOW - timedelta(hours=2)))
    patient = backend.settings.model_copy(
        update={"registry_refresh_seconds": 0.05, "feature_timeout_seconds": 10.0}
    )
    source = opened(backend, patient)
    before = source.feature_names
    seen: list[tuple[tuple[str, ...], object]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            [found] = source.read(["12345"])
            seen.append((tuple(found.values), found.values["amount"]))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    edit(backend, r"\],\n    online=True,", ADDED)
    apply(backend.settings)
    deadline = time.monotonic() + 60
    while all(names == before for names, _ in list(seen)) and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    for reader in readers:
        reader.join()
    assert not any(reader.is_alive() for reader in readers)
    assert set(seen) == {(before, 500.0), ((*before, "new_feature"), 500.0)}

    newer = Row("12345", PAYMENT | {"new_feature": 0.25}, NOW - timedelta(hours=1))
    write_through_feast(backend.settings, read_definitions(backend.settings), [newer])
    assert source.read(["12345"])[0].values["new_feature"] == 0.25
