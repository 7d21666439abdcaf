"""A feature service that takes some features, or changes while it is read: what each way does about it."""

import re
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
from own_sessions import apply_definitions
from reading_ways import WAYS, Backend, Make, Way
from stored_features import Row, write_direct, write_through_feast

from poc.errors import PocError
from poc.online_store.session import SCHEMA
from poc.repository import declared_service

NOW = datetime.now(timezone.utc).replace(microsecond=0)
FOLLOWING_WAYS = [way for way in WAYS if not way.by_server]
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
    if not way.by_server:
        apply_definitions(backend.settings)
    backend.write(Row("12345", PAYMENT, NOW - timedelta(hours=1)))
    source = opened(backend)
    [found] = source.read(["12345"])
    assert source.served.names == declared_service(backend.settings).names
    assert list(found.values.items()) == [("amount", 500.0), ("transaction_hour", 14)]


@pytest.mark.parametrize("way", FOLLOWING_WAYS, ids=str)
@pytest.mark.fault(
    "Definitions", "a feature added while serving", "it is there from one read on, never within one"
)
def test_feature_is_added_between_two_reads_and_never_within_one(
    make_backend: Make, opened: Callable, way: Way
) -> None:
    backend = make_backend(way)
    backend.write(Row("12345", PAYMENT, NOW - timedelta(hours=2)))
    patient = backend.settings.model_copy(
        update={"registry_refresh_seconds": 0.05, "feature_timeout_seconds": 10.0}
    )
    source = opened(backend, patient)
    before = source.served.names
    seen: list[tuple[tuple[str, ...], object]] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            [found] = source.read(["12345"])
            seen.append(((*found.values, *found.missing), found.values["amount"]))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    edit(backend, r"\],\n    online=True,", ADDED)
    apply_definitions(backend.settings)
    deadline = time.monotonic() + 60
    while all(names == before for names, _ in list(seen)) and time.monotonic() < deadline:
        time.sleep(0.02)
    stop.set()
    for reader in readers:
        reader.join()
    assert not any(reader.is_alive() for reader in readers)
    assert set(seen) == {(before, 500.0), ((*before, "new_feature"), 500.0)}
    # It was never written, which is another thing than null.
    assert source.read(["12345"])[0].missing == ("new_feature",)

    newer = Row("12345", PAYMENT | {"new_feature": 0.25}, NOW - timedelta(hours=1))
    write(backend, newer)
    eventually(lambda: source.read(["12345"])[0].values.get("new_feature") == 0.25)


def write(backend: Backend, row: Row) -> None:
    """Write by the definitions as they are now."""
    declared = declared_service(backend.settings)
    if backend.way.layout == "direct":
        write_direct(backend.session, backend.settings, declared, [row])
    else:
        write_through_feast(backend.settings, declared, [row])


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


RETYPED = r'name="device_trust_score",\n\s+dtype=Int64'


@pytest.mark.parametrize("way", [way for way in FOLLOWING_WAYS if way.layout != "stock"], ids=str)
def test_retyped_feature_is_never_read_as_what_it_was(make_backend: Make, opened: Callable, way: Way) -> None:
    backend = make_backend(way)
    backend.write(Row("12345", PAYMENT | {"device_trust_score": 61}, NOW - timedelta(hours=2)))
    source = opened(backend, backend.settings.model_copy(update={"registry_refresh_seconds": 0.5}))
    assert source.read(["12345"])[0].values["device_trust_score"] == 61
    edit(backend, RETYPED, 'name="device_trust_score",\n            dtype=Float64')
    backend.session.execute(f"DROP TABLE {backend.table}", execution_profile=SCHEMA)
    apply_definitions(backend.settings)
    write(backend, Row("12345", PAYMENT | {"device_trust_score": 0.73}, NOW - timedelta(hours=1)))
    seen: list[object] = []
    deadline = time.monotonic() + 60
    while 0.73 not in seen and time.monotonic() < deadline:
        try:
            [found] = source.read(["12345"])
            seen.append(found and found.values["device_trust_score"])
        except PocError:
            time.sleep(0.05)
    assert seen[-1] == 0.73
    assert set(seen) <= {None, 0.73}
