"""What `scripts/feast_materialize.py` does with the generations that the row store keeps."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from poc.command_line import note, ok
from poc.definitions import applied_service
from poc.errors import NoGenerations
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.attempts import materialization_lock
from poc.materialization.rebuild import row_store
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import Generation, Generations
from poc.online_store.session import Session, cassandra_session
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore


@contextmanager
def _generations(settings: Settings) -> "Iterator[tuple[FeatureStore, Session, Generations, list[str]]]":
    store = open_feature_store(settings)
    connection = connection_of(store)
    with cassandra_session(connection) as session, cassandra_failures(connection):
        online = row_store(store)
        if online is None:
            raise NoGenerations(str(store.config.online_store.type))
        views = [view.view for view in applied_service(store, settings.feature_service).feature_sets]
        yield store, session, online.generations(store.config), views


def list_generations(settings: Settings) -> None:
    """Print each view's generations, the newest first: which one is served, and what it was filled with.

    Raises NoGenerations where the online store is none that has them.
    """
    with _generations(settings) as (_, _, generations, views):
        for view in views:
            served, known = generations.standing(view).served, generations.known(view)
            print("\n  ".join([f"{view}: generation {served} is served", *map(_described, known)]))


def _described(generation: Generation) -> str:
    made, filled = "", ""
    if generation.made_at is not None:
        made = f", made {generation.made_at:%Y-%m-%dT%H:%M:%S} UTC"
    if (content := generation.filled) is not None:
        covered = f"{content.covered_from:%Y-%m-%dT%H:%M:%S} to {content.covered_until:%Y-%m-%dT%H:%M:%S}"
        filled = f", {content.entities:,} entities of {covered} UTC"
    return f"{generation.number}: {generation.state}{made}{filled}"


def roll_back(settings: Settings) -> None:
    """Serve again what was served before the last full run of each view.

    The direct table, which has one set of values, stays as it is, and is told of.

    Raises:
        NoGenerations: the online store is none that has them.
        NoEarlierGeneration: nothing is kept of a view; nothing was changed then.
        RebuildRunning: a full run is under way.
    """
    with (
        materialization_lock(settings.data_dir, note),
        _generations(settings) as (store, session, generations, views),
    ):
        for view in views:
            generations.require_earlier(view)
        record = MaterializationRecord(settings.direct_keyspace, store.project)
        for view in views:
            back = generations.roll_back(view)
            filled = back.filled
            assert filled is not None
            whose, now = (store.config.online_store.type, view), datetime.now(timezone.utc)
            covered = (filled.covered_from, filled.covered_until)
            written_us = record.next_write_time(session, view)
            run = MaterializationRun(
                *whose, now, now, *covered, filled.content, filled.entities, 0.0, written_us
            )
            record.add(session, run)
            ok(f"{view}: generation {_described(back)}")
        note("  Servers follow within a second. The direct table keeps what was loaded last: correct the")
        note("  source, then: python scripts/feast_materialize.py")
