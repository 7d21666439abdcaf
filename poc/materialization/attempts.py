"""One materialization at a time, and every one that is begun leaves a record of how it ended."""

import fcntl
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from poc.dataset.stored import newest_event
from poc.definitions import applied_feature_set
from poc.errors import PocError
from poc.feature_store import connection_of
from poc.materialization.records import AttemptRecord, MaterializationRecord
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import Session
from poc.output import refusals
from poc.repository import declared_service
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)


class Terminated(SystemExit):
    """SIGTERM, by which a schedule ends a run that takes too long; a shell's status of it, 143."""

    def __str__(self) -> str:
        return "it was told to end (SIGTERM)"


@contextmanager
def materialization_lock(data_dir: Path, announce: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `data_dir`; where another process has it, `announce` that, then wait for it.

    Feast's file registry loses an interval when two write it at once. The operating system gives the
    lock back when its holder ends, however it ends.
    """
    with refusals(data_dir):
        data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / ".materialization.lock"
    with refusals(path, f"Let this user write to {data_dir}, or set DATA_DIR to a folder where it may."):
        file = path.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce("Another materialization is running: waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def recorded_attempt(
    settings: Settings,
    store: "FeatureStore",
    session: Session,
    announce: Callable[[str], None],
    view: str | None = None,
) -> Iterator[None]:
    """Hold the materialization lock, and record whether the block that materializes succeeds or raises.

    Each view of the service, or the `view` alone, has a record, and all of them say the same. What the block
    raises is raised again, also where it could not be recorded: Cassandra may be what failed. SIGTERM is
    raised in the block, and so recorded too, where the program does not handle it itself.

    Raises NotInProjectFolder, InvalidDefinitions, FeaturesNotApplied, ReplicationDiffers, Terminated.
    """
    online_store = store.config.online_store.type
    views = declared_service(settings).feature_sets if view is None else (applied_feature_set(store, view),)
    record = AttemptRecord(settings.direct_keyspace, store.project)
    runs = MaterializationRecord(settings.direct_keyspace, store.project)
    with materialization_lock(settings.data_dir, announce):
        ensure_keyspace(session, connection_of(store), settings.direct_keyspace)
        record.create(session)
        with _sigterm_raises():
            attempts = [record.begin(session, online_store, item.view) for item in views]
            try:
                yield
                for attempt, definitions in zip(attempts, views, strict=True):
                    last = runs.last(session, online_store, definitions.view)
                    newest = None if last is None else newest_event(definitions, last.reached)
                    record.succeed(session, attempt, newest)
            except BaseException as error:
                said = error.what if isinstance(error, PocError) else str(error)
                reason = f"{type(error).__name__}: {said}" if said else type(error).__name__
                try:
                    for attempt in attempts:
                        record.fail(session, attempt, reason)
                except Exception as failure:
                    log.warning("That this run failed could not be recorded: %s", failure)
                raise


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise Terminated for the first SIGTERM, which would end the process at once; later ones are ignored."""

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated(128 + signal.SIGTERM)

    by_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    # Only a program's main thread may handle signals.
    if not by_default or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
