"""One materialization at a time, and every one that is begun leaves a record of how it ended."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from cassandra.cluster import Session

from poc.database.attempts import AttemptRecord
from poc.database.endpoint import online_store_type
from poc.database.keyspaces import ensure_configured_keyspaces
from poc.database.materializations import MaterializationRecord
from poc.definitions import read_definitions
from poc.errors import PocError
from poc.materialization.lock import materialization_lock
from poc.materialization.offline import newest_event
from poc.settings import Settings

log = logging.getLogger(__name__)


class Terminated(SystemExit):
    """SIGTERM, by which a schedule ends a run that takes too long; a shell's status of it, 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)

    def __str__(self) -> str:
        return "it was told to end (SIGTERM)"


@contextmanager
def recorded_attempt(settings: Settings, session: Session, announce: Callable[[str], None]) -> Iterator[None]:
    """Hold the materialization lock, and record whether the block that materializes succeeds or raises.

    What the block raises is raised again, also where it could not be recorded: Cassandra may be what failed.
    SIGTERM is raised in the block, and so recorded too, where the program does not handle it itself.

    Args:
        settings: where the lock and the record are, and what is materialized.
        session: to the Cassandra that holds the record.
        announce: is told when another materialization has to be waited for.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        KeyspaceReplicationDiffers: a keyspace is there with another number of copies.
        Terminated: SIGTERM came.
    """
    definitions, online_store = read_definitions(settings), online_store_type(settings)
    record = AttemptRecord(settings.direct_keyspace)
    with materialization_lock(settings.data_dir, announce):
        ensure_configured_keyspaces(settings, session)
        record.create(session)
        with _sigterm_raises():
            attempt = record.begin(session, online_store, definitions.view)
            try:
                yield
                run = MaterializationRecord(settings.direct_keyspace).last(
                    session, online_store, definitions.view
                )
                newest = None if run is None else newest_event(definitions, before=run.covered_until)
                record.succeed(session, attempt, newest)
            except BaseException as error:
                try:
                    record.fail(session, attempt, _reason(error))
                except Exception:
                    log.warning("That this run failed could not be recorded", exc_info=True)
                raise


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Raise Terminated for the first SIGTERM, which would end the process at once; later ones are ignored."""

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    by_default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    # Only a program's main thread may handle signals.
    heard = by_default and threading.current_thread() is threading.main_thread()
    if heard:
        signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if heard:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _reason(error: BaseException) -> str:
    name = type(error).__name__
    said = error.what if isinstance(error, PocError) else str(error)
    return f"{name}: {said}" if said else name
