import threading
import time
from collections.abc import Callable, Iterator

import pytest

from poc.errors import CassandraUnavailable, OpeningFailed, StillOpening
from poc.serving.resources import Resource

UNAVAILABLE = CassandraUnavailable("127.0.0.1:9042", "refused")


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.005)
    return False


def gives(resource: Resource[str], expected: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            return resource.get() == expected
        except Exception:
            return False

    return check


@pytest.fixture
def keep() -> Iterator[Callable[..., Resource[str]]]:
    made: list[Resource[str]] = []

    def start(
        opens: Callable[[], str], renews: Callable[[str], str] = str, **options: object
    ) -> Resource[str]:
        resource = Resource("features", opens, renews, retry_seconds=0.02, **options)
        resource.start()
        made.append(resource)
        return resource

    yield start
    for resource in made:
        resource.stop()


def test_value_is_given_once_it_is_open(keep: Callable) -> None:
    resource = keep(lambda: "open")
    resource.wait_until_tried(5)
    assert resource.get() == "open"


def test_nobody_waits_while_it_opens(keep: Callable) -> None:
    release = threading.Event()

    def slow() -> str:
        release.wait(5)
        return "open"

    resource = keep(slow)
    started = time.monotonic()
    with pytest.raises(StillOpening):
        resource.get()
    assert time.monotonic() - started < 0.1
    release.set()


def test_failed_opening_is_told_and_tried_again(keep: Callable) -> None:
    working = threading.Event()

    def opens() -> str:
        if not working.is_set():
            raise UNAVAILABLE
        return "open"

    resource = keep(opens)
    resource.wait_until_tried(5)
    with pytest.raises(CassandraUnavailable):
        resource.get()
    working.set()
    assert eventually(gives(resource, "open"))


def test_unforeseen_failure_is_told_and_tried_again(keep: Callable) -> None:
    attempts: list[int] = []

    def opens() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("what is this?")
        return "open"

    resource = keep(opens)
    resource.wait_until_tried(5)
    try:
        resource.get()
    except OpeningFailed as error:
        assert "ValueError: what is this?" in error.what
    assert eventually(gives(resource, "open"))


def test_suspected_value_is_refused_at_once_until_it_is_renewed(keep: Callable) -> None:
    working = threading.Event()

    def renews(value: str) -> str:
        if not working.is_set():
            raise UNAVAILABLE
        return value

    resource = keep(lambda: "open", renews)
    resource.wait_until_tried(5)
    resource.suspect(UNAVAILABLE)
    with pytest.raises(CassandraUnavailable):
        resource.get()
    working.set()
    assert eventually(gives(resource, "open"))


def test_value_is_renewed_in_the_background(keep: Callable) -> None:
    resource = keep(lambda: "first", lambda value: "second", renew_seconds=0.02)
    assert eventually(gives(resource, "second"))


def test_value_is_given_up_at_the_end() -> None:
    closed: list[str] = []
    resource = Resource("features", lambda: "open", str, closed.append)
    resource.start()
    resource.wait_until_tried(5)
    resource.stop()
    assert closed == ["open"]


def test_an_error_told_often_does_not_grow(keep: Callable) -> None:
    def opens() -> str:
        raise UNAVAILABLE

    resource = keep(opens)
    resource.wait_until_tried(5)
    for _ in range(50):
        with pytest.raises(CassandraUnavailable) as told:
            resource.get()
    frames = 0
    traceback = told.value.__traceback__
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    assert frames <= 3
