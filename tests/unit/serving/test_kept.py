import threading
import time
from collections.abc import Callable, Iterator

import pytest

from poc.errors import CassandraUnavailable, OpeningFailed, StillOpening
from poc.serving.kept import Kept

UNAVAILABLE = CassandraUnavailable("127.0.0.1:9042", "refused")


def eventually(holds: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.005)
    return False


def gives(kept: Kept[str], expected: str) -> Callable[[], bool]:
    def check() -> bool:
        try:
            return kept.get() == expected
        except Exception:
            return False

    return check


@pytest.fixture
def keep() -> Iterator[Callable[..., Kept[str]]]:
    made: list[Kept[str]] = []

    def start(opens: Callable[[], str], renews: Callable[[str], str] = str, **options: object) -> Kept[str]:
        kept = Kept("features", opens, renews, retry_seconds=0.02, **options)
        kept.start()
        made.append(kept)
        return kept

    yield start
    for kept in made:
        kept.stop()


def test_value_is_given_once_it_is_open(keep: Callable) -> None:
    kept = keep(lambda: "open")
    kept.wait_until_tried(5)
    assert kept.get() == "open"


def test_nobody_waits_while_it_opens(keep: Callable) -> None:
    release = threading.Event()

    def slow() -> str:
        release.wait(5)
        return "open"

    kept = keep(slow)
    started = time.monotonic()
    with pytest.raises(StillOpening):
        kept.get()
    assert time.monotonic() - started < 0.1
    release.set()


def test_failed_opening_is_told_and_tried_again(keep: Callable) -> None:
    working = threading.Event()

    def opens() -> str:
        if not working.is_set():
            raise UNAVAILABLE
        return "open"

    kept = keep(opens)
    kept.wait_until_tried(5)
    with pytest.raises(CassandraUnavailable):
        kept.get()
    working.set()
    assert eventually(gives(kept, "open"))


def test_unforeseen_failure_is_told_and_tried_again(keep: Callable) -> None:
    attempts: list[int] = []

    def opens() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise ValueError("what is this?")
        return "open"

    kept = keep(opens)
    kept.wait_until_tried(5)
    try:
        kept.get()
    except OpeningFailed as error:
        assert "ValueError: what is this?" in error.what
    assert eventually(gives(kept, "open"))


def test_suspected_value_is_refused_at_once_until_it_is_renewed(keep: Callable) -> None:
    working = threading.Event()

    def renews(value: str) -> str:
        if not working.is_set():
            raise UNAVAILABLE
        return value

    kept = keep(lambda: "open", renews)
    kept.wait_until_tried(5)
    kept.suspect(UNAVAILABLE)
    with pytest.raises(CassandraUnavailable):
        kept.get()
    working.set()
    assert eventually(gives(kept, "open"))


def test_value_is_renewed_in_the_background(keep: Callable) -> None:
    kept = keep(lambda: "first", lambda value: "second", renew_seconds=0.02)
    assert eventually(gives(kept, "second"))


def test_value_is_given_up_at_the_end() -> None:
    closed: list[str] = []
    kept = Kept("features", lambda: "open", str, closed.append)
    kept.start()
    kept.wait_until_tried(5)
    kept.stop()
    assert closed == ["open"]


def test_an_error_told_often_does_not_grow(keep: Callable) -> None:
    def opens() -> str:
        raise UNAVAILABLE

    kept = keep(opens)
    kept.wait_until_tried(5)
    for _ in range(50):
        with pytest.raises(CassandraUnavailable) as told:
            kept.get()
    frames = 0
    traceback = told.value.__traceback__
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    assert frames <= 3
