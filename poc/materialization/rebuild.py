"""The generations of the row store: a full run fills a new one, which is held to the source before it is
served; a person lists them, and goes back to the one before.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from poc.command_line import note, ok
from poc.definitions import FeatureSet, applied_service, applied_view
from poc.errors import NoGenerations, OnlineValuesDiffer
from poc.feature_store import connection_of, kept_for, open_feature_store
from poc.materialization.attempts import materialization_lock
from poc.materialization.offline import IntervalRows
from poc.materialization.records import MaterializationRecord, MaterializationRun
from poc.materialization.stored_rows import BATCH, beside_stored, by_reader, differences
from poc.materialization.verification import gone_until
from poc.online_store.errors import NoCassandra
from poc.online_store.failures import cassandra_failures
from poc.online_store.generations import HALF_DONE, LEFT, RENEW_SECONDS, Content, Generation, Generations
from poc.online_store.layout import RowLayout
from poc.online_store.partitions import count_partitions
from poc.online_store.row_store import CassandraRowOnlineStore
from poc.online_store.schema import apply_layout, take_options_over
from poc.online_store.session import Session, cassandra_session
from poc.online_store.view_reader import RowReader
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

# Readers follow a switch within a second, and then nobody comes to one that was never filled. A read of
# another may have begun before, and take as long as it is given.
FOLLOWED_SECONDS, LEFT_SECONDS = 1.5, 5.0
# Up to so many entities each is read back; of more, a sample.
READ_BACK = 20_000
SAMPLE = 1000


def row_store(store: "FeatureStore") -> CassandraRowOnlineStore | None:
    """Return the online store of `store` if it keeps generations."""
    online = store._get_provider().online_store
    return online if isinstance(online, CassandraRowOnlineStore) else None


@dataclass(slots=True)
class NewGeneration:
    """The generation of one view that takes every write of this process.

    Its files are not merged before it is served: where every row is written once, that would be done several
    times over, and take a tenth of the time.
    """

    store: "FeatureStore"
    online: CassandraRowOnlineStore
    definitions: FeatureSet
    applied: "FeatureView"
    number: int
    is_served: bool = False

    @property
    def layout(self) -> RowLayout:
        """That of its table."""
        return self.online.layout(self.store.config, self.applied, self.number)

    def written(self) -> int:
        """Count its entities."""
        layout = self.layout
        return count_partitions(self.online.session(self.store.config), layout.keyspace, layout.table) or 0

    def check(self, start: datetime, end: datetime) -> int:
        """Hold what was written to the source's rows in [start, end), UTC; a newer row was pushed meanwhile.

        Returns how many entities were written. Raises OnlineValuesDiffer: it is not what the source says.
        """
        # What was written first may be gone already where the store removes rows by itself.
        gone = gone_until(kept_for(self.store), datetime.now(timezone.utc))
        start = start if gone is None else min(max(start, gone), end)
        with ThreadPoolExecutor(1) as pool:
            counted = pool.submit(self.written)
            source = IntervalRows(self.definitions, start, end)
            self._read_back(source)
            count = counted.result()
        if count < source.num_rows:
            raise OnlineValuesDiffer([f"{count:,} entities are stored, the source has {source.num_rows:,}"])
        return count

    def _read_back(self, source: IntervalRows) -> None:
        """Hold every row to the source, or a sample that is spread over all of it."""
        session = self.online.session(self.store.config)
        reader = RowReader(session, self.layout, None, connection_of(self.store))
        size, every = (BATCH, 1) if source.num_rows <= READ_BACK else (READ_BACK, source.num_rows // SAMPLE)
        rows = source.batches(size, every)
        for row in beside_stored(rows, by_reader(reader, self.definitions), self.definitions):
            if not row.is_outdated and differences(row, self.definitions):
                held = "nothing" if row.stored is None else list(row.stored.values)
                raise OnlineValuesDiffer([f"{row.key}: written {list(row.values)}, read back {held}"])

    def serve(self, filled: Content) -> None:
        """Switch to this generation; the one before is kept."""
        config, view = self.store.config, self.definitions.view
        self.take_options_over(merged=True)
        self.online.generations(config).switch(view, self.number, filled)
        self.is_served = True
        config.online_store._filling.pop(view, None)
        self.online.forget()

    def take_options_over(self, merged: bool) -> None:
        """Give its table what an operator gave to the one that is served."""
        config, layout = self.store.config, self.layout
        served = self.online.served(config, self.applied)
        take_options_over(self.online.session(config), layout.keyspace, served.table, layout.table, merged)


def drop_left(store: "FeatureStore", definitions: FeatureSet) -> None:
    """Drop the generations of a view that nobody goes back to.

    Not before the last reader must have left them: whoever has other things to do does those first. What
    cannot be dropped now is by the next run.
    """
    online, view = row_store(store), definitions.view
    if online is None:
        return
    generations = online.generations(store.config)
    for old in generations.known(view):
        if old.state == LEFT:
            _wait_until_left(old, LEFT_SECONDS if old.filled else FOLLOWED_SECONDS)
            generations.drop_if_possible(view, old.number)


@contextmanager
def new_generation(store: "FeatureStore", definitions: FeatureSet) -> Iterator[NewGeneration]:
    """Begin a generation of a view of the row store, which takes every write of the block; give it up unless
    the block serves it. What runs before left half done is dropped.

    Raises RebuildRunning: another run is filling one.
    """
    online, config, view = row_store(store), store.config, definitions.view
    if online is None:
        raise NoCassandra(str(config.online_store.type))
    applied, generations = applied_view(store, view), online.generations(config)
    generations.create()
    number = generations.claim(view)
    ended = threading.Event()
    args = (generations, view, number, ended)
    threading.Thread(target=_stay_alive, args=args, name="claim", daemon=True).start()
    generation = NewGeneration(store, online, definitions, applied, number)
    try:
        for left in generations.known(view):
            if left.number != number and left.state in HALF_DONE:
                generations.drop(view, left.number)
        drop_left(store, definitions)
        apply_layout(online.session(config), generation.layout)
        generation.take_options_over(merged=False)
        config.online_store._filling[view] = number
        yield generation
    finally:
        ended.set()
        config.online_store._filling.pop(view, None)
        if not generation.is_served and generations.standing(view).served != number:
            generations.give_up(view, number)
            generations.drop(view, number)


def _stay_alive(generations: Generations, view: str, number: int, ended: threading.Event) -> None:
    while not ended.wait(RENEW_SECONDS):
        # Where another run took the claim over, the switch will say so.
        with suppress(Exception):
            generations.renew(view, number)


def _wait_until_left(old: Generation, seconds: float) -> None:
    """Wait until a generation was left so long ago that no reader can be on it any more."""
    if old.left_at is not None:
        left = old.left_at + timedelta(seconds=seconds) - datetime.now(timezone.utc)
        time.sleep(min(max(left.total_seconds(), 0.0), seconds))


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

    Raises NoGenerations: the online store is none that has them.
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

    Raises NoGenerations, NoEarlierGeneration (nothing is kept of a view, and nothing was changed), and
    RebuildRunning.
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
            assert back.filled is not None
            whose, now = (store.config.online_store.type, view), datetime.now(timezone.utc)
            start, end, content, entities = astuple(back.filled)
            written_us = record.next_write_time(session, view)
            run = MaterializationRun(*whose, now, now, start, end, content, entities, 0.0, written_us)
            record.add(session, run)
            ok(f"{view}: generation {_described(back)}")
        note("  Servers follow within a second. The direct table keeps what was loaded last: correct the")
        note("  source, then: python scripts/feast_materialize.py")
