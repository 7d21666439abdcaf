"""The state is read in the background; what was read last stays when it cannot be read any more."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from poc.errors import CassandraUnavailable
from poc.monitoring.state import State, StateWatch
from poc.online_store.errors import NoCassandra
from poc.serving.metrics import Metrics

INTERVAL_SECONDS = 0.02


class Reader:
    """Reads what it is given, and fails with what it is told to."""

    def __init__(self, state: State) -> None:
        self.state, self.failure, self.closed = state, None, False

    def read(self) -> State:
        if self.failure is not None:
            raise self.failure
        return self.state

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def start() -> Iterator[Callable[..., StateWatch]]:
    started: list[StateWatch] = []

    def start(*arguments: object) -> StateWatch:
        watch = StateWatch(*arguments)
        started.append(watch)
        watch.start()
        return watch

    yield start
    for watch in started:
        watch.stop()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_reads_again_and_again_and_tells_when(state: State, start: Callable) -> None:
    moments: list[float] = []
    begun = time.time()
    watch = start(lambda: Reader(state), INTERVAL_SECONDS, moments.append)
    wait_until(lambda: len(moments) >= 3)
    assert watch.state is state
    assert begun <= moments[0] < moments[-1] <= time.time()


@pytest.mark.parametrize(
    "failure",
    [CassandraUnavailable("127.0.0.1:9042", "timed out"), ZeroDivisionError()],
    ids=["known", "bug"],
)
def test_last_known_state_stays_while_failures_are_counted(
    state: State, start: Callable, failure: Exception
) -> None:
    reader, moments, failures = Reader(state), [], []
    watch = start(lambda: reader, INTERVAL_SECONDS, moments.append, lambda: failures.append(1))
    wait_until(lambda: bool(moments))
    reader.failure = failure
    wait_until(lambda: len(failures) >= 3)
    assert watch.state is state
    reader.failure, read = None, len(moments)
    wait_until(lambda: len(moments) > read)


def test_connects_as_soon_as_that_is_possible(state: State, start: Callable) -> None:
    attempts: list[int] = []

    def opens() -> Reader:
        attempts.append(1)
        if len(attempts) < 3:
            raise CassandraUnavailable("127.0.0.1:9042", "refused")
        return Reader(state)

    watch = start(opens, INTERVAL_SECONDS)
    assert watch.state is None
    wait_until(lambda: watch.state is not None)
    assert len(attempts) == 3


def test_store_that_is_no_cassandra_has_no_state_and_nothing_is_told_of_it(start: Callable) -> None:
    attempts, told = [], []

    def opens() -> Reader:
        attempts.append(1)
        raise NoCassandra("sqlite")

    watch = start(opens, INTERVAL_SECONDS, told.append, lambda: told.append("failed"))
    wait_until(lambda: bool(attempts))
    time.sleep(5 * INTERVAL_SECONDS)
    assert (len(attempts), told, watch.state) == (1, [], None)


def test_stop_disconnects(state: State, start: Callable) -> None:
    reader = Reader(state)
    watch = start(lambda: reader, 60)
    wait_until(lambda: watch.state is not None)
    watch.stop()
    assert reader.closed


def test_asking_starting_and_stopping_never_wait_for_a_read(state: State) -> None:
    blocks_seconds = 300
    begun, goes_on = threading.Event(), threading.Event()

    class Blocked(Reader):
        """Answers once; the second read hangs."""

        def read(self) -> State:
            if watch.state is not None:
                begun.set()
                goes_on.wait(blocks_seconds)
            return self.state

    before = time.perf_counter()
    watch = StateWatch(lambda: Blocked(state), INTERVAL_SECONDS)
    watch.start()
    assert begun.wait(60)
    assert watch.state is state
    watch.stop()
    assert not goes_on.is_set()
    assert time.perf_counter() - before < blocks_seconds / 2
    goes_on.set()


def test_scrape_while_the_first_connection_hangs_shows_no_state(start: Callable) -> None:
    blocks_seconds = 300
    begun, goes_on = threading.Event(), threading.Event()

    def opens() -> Reader:
        begun.set()
        goes_on.wait(blocks_seconds)
        raise CassandraUnavailable("127.0.0.1:9042", "timed out")

    before = time.perf_counter()
    watch = start(opens, INTERVAL_SECONDS)
    assert begun.wait(60)
    assert list(watch.collect()) == []
    assert time.perf_counter() - before < blocks_seconds / 2
    goes_on.set()


def test_how_reading_goes_is_shown_from_the_first_attempt_on(state: State) -> None:
    metrics = Metrics("memory")
    metrics.show_state(StateWatch(lambda: None, INTERVAL_SECONDS))

    def shown() -> dict[str, float]:
        families = text_string_to_metric_families(metrics.text().decode())
        return {
            sample.name: sample.value
            for family in families
            for sample in family.samples
            if sample.name in ("state_last_read_timestamp_seconds", "state_read_failures_total")
        }

    # Nothing is tried where the store is no Cassandra: no alert is to miss its state.
    assert shown() == {}
    metrics.state_was_not_read()
    assert shown() == {"state_last_read_timestamp_seconds": 0, "state_read_failures_total": 1}
    metrics.state_was_read(12.5)
    assert shown() == {"state_last_read_timestamp_seconds": 12.5, "state_read_failures_total": 1}
