"""However a materialization ends, its record says so: in a real Cassandra, by signals of a real process."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from feast import FeatureStore

from poc.feature_store import open_feature_store
from poc.materialization import attempts
from poc.materialization.attempts import Terminated, recorded_attempt
from poc.materialization.records import AttemptRecord, Attempts
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session, open_session
from poc.settings import Settings

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
from poc.command_line import run
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.attempts import recorded_attempt
from poc.online_store.session import cassandra_session
from poc.settings import load_settings

def main():
    settings = load_settings()
    store = open_feature_store(settings)
    with cassandra_session(connection_of(store)) as session:
        with recorded_attempt(settings, store, session, print):
            print("begun", flush=True)
            time.sleep(600)

run(main)
"""


@pytest.fixture
def settings(keyspace: str, cassandra: ConnectionSettings, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        feast_repo_path=ROOT / "feature_repo",
        cassandra_hosts=cassandra.hosts[0],
        cassandra_port=cassandra.port,
        data_dir=tmp_path,
        direct_keyspace=keyspace,
    )


@pytest.fixture
def store(settings: Settings) -> FeatureStore:
    return open_feature_store(settings)


@pytest.fixture
def recorded(session: Session, settings: Settings) -> "Recorded":
    return Recorded(session, settings)


class Recorded:
    """Reads the record."""

    def __init__(self, session: Session, settings: Settings) -> None:
        self._session, self._keyspace = session, settings.direct_keyspace

    def __call__(self) -> Attempts:
        return AttemptRecord(self._keyspace, "ml_platform_poc").read(
            self._session, "cassandra", "transaction_features"
        )


def test_success_that_cannot_be_told_in_full_is_a_failure(
    session: Session,
    settings: Settings,
    store: FeatureStore,
    recorded: Recorded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def last(*arguments: object) -> None:
        raise OSError("the Parquet is gone")

    monkeypatch.setattr(attempts.MaterializationRecord, "last", last)
    with pytest.raises(OSError, match="gone"), recorded_attempt(settings, store, session, print):
        pass
    [attempt] = recorded().failed
    assert attempt.failure == "OSError: the Parquet is gone"
    assert recorded().running is None


def test_failure_that_cannot_be_recorded_is_told_in_a_line(
    cassandra: ConnectionSettings, settings: Settings, store: FeatureStore, caplog: pytest.LogCaptureFixture
) -> None:
    lost = open_session(cassandra)
    with pytest.raises(OSError, match="full"), recorded_attempt(settings, store, lost, print):
        lost.cluster.shutdown()
        raise OSError("the disk is full")
    [told] = [record for record in caplog.records if record.name == attempts.log.name]
    assert told.getMessage().startswith("That this run failed could not be recorded: ")
    assert told.exc_info is None


def test_sigterm_ends_the_attempt_as_a_failure(
    session: Session, settings: Settings, store: FeatureStore, recorded: Recorded
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated), recorded_attempt(settings, store, session, print):
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("went on after the signal")
    assert signal.getsignal(signal.SIGTERM) is before
    [attempt] = recorded().failed
    assert attempt.failure == "Terminated: it was told to end (SIGTERM)"


def test_handler_of_the_program_s_own_is_left_alone(
    session: Session, settings: Settings, store: FeatureStore, recorded: Recorded
) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with recorded_attempt(settings, store, session, print):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]
    assert recorded().recent[0].succeeded


def test_another_thread_than_the_main_one_can_materialize(
    session: Session, settings: Settings, store: FeatureStore, recorded: Recorded
) -> None:
    def work() -> None:
        with recorded_attempt(settings, store, session, print):
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert recorded().recent[0].succeeded


def test_process_that_sigterm_ends_has_its_status_and_leaves_a_failure(
    cassandra: ConnectionSettings, settings: Settings, recorded: Recorded
) -> None:
    values = {
        "FEAST_REPO_PATH": settings.feast_repo_path,
        "CASSANDRA_HOSTS": cassandra.hosts[0],
        "CASSANDRA_PORT": cassandra.port,
        "DATA_DIR": settings.data_dir,
        "DIRECT_KEYSPACE": settings.direct_keyspace,
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | {name: str(value) for name, value in values.items()},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    assert recorded().running is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    assert recorded().running is None
    assert len(recorded().failed) == 1
