"""One materialization at a time, and every one that is begun leaves a record of how it ended."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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


@contextmanager
def recorded_attempt(settings: Settings, session: Session, announce: Callable[[str], None]) -> Iterator[None]:
    """Hold the materialization lock, and record whether the block that materializes succeeds or raises.

    What the block raises is raised again, also where it could not be recorded: Cassandra may be what failed.

    Args:
        settings: where the lock and the record are, and what is materialized.
        session: to the Cassandra that holds the record.
        announce: is told when another materialization has to be waited for.

    Raises:
        NotInProjectFolder, InvalidDefinitions: the feature repository cannot be used.
        KeyspaceReplicationDiffers: a keyspace is there with another number of copies.
    """
    definitions, online_store = read_definitions(settings), online_store_type(settings)
    record = AttemptRecord(settings.direct_keyspace)
    with materialization_lock(settings.data_dir, announce):
        ensure_configured_keyspaces(settings, session)
        record.create(session)
        attempt = record.begin(session, online_store, definitions.view)
        try:
            yield
        except BaseException as error:
            try:
                record.fail(session, attempt, _reason(error))
            except Exception:
                log.warning("That this run failed could not be recorded", exc_info=True)
            raise
        run = MaterializationRecord(settings.direct_keyspace).last(session, online_store, definitions.view)
        newest = None if run is None else newest_event(definitions, before=run.covered_until)
        record.succeed(session, attempt, newest)


def _reason(error: BaseException) -> str:
    name = type(error).__name__
    said = error.what if isinstance(error, PocError) else str(error)
    return f"{name}: {said}" if said else name
