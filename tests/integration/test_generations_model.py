"""Any order of loads, runs, backfills, pushes, rollbacks and kills serves what a few dictionaries say.

HISTORIES=500 python -m pytest tests/integration/test_generations_model.py     longer than CI does it
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cards import NOW, Cards
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from own_environment import own_environment
from own_keyspace import own_keyspace
from warm_python import warm

from poc.errors import LoadTakenBack
from poc.materialization import rebuild
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import NoEarlierGeneration
from poc.online_store.generations import Generations
from poc.online_store.session import Session

ROOT = Path(__file__).parents[2]
HISTORIES = int(os.environ.get("HISTORIES", "4"))
CARDS = range(6)
HOUR = timedelta(hours=1)
some_cards = st.sets(st.sampled_from(CARDS), min_size=1)
# When something was true, in hours before now.
hours = st.integers(1, 200)
# Of each entity: when its value was true, and the value.
Rows = dict[int, tuple[datetime, int]]


@dataclass
class Load:
    """What a generation holds, and the interval of the source that it was filled from."""

    rows: Rows = field(default_factory=dict)
    interval: tuple[datetime, datetime] | None = None
    source: Rows = field(default_factory=dict)

    def is_filled_from(self, source: Rows) -> bool:
        return self.interval is not None and within(source, *self.interval) == self.source


def within(rows: Rows, start: datetime, end: datetime) -> Rows:
    return {card: row for card, row in rows.items() if start <= row[0] < end}


def newest(*parts: Rows) -> Rows:
    found: Rows = {}
    for part in parts:
        for card, row in part.items():
            if card not in found or row[0] > found[card][0]:
                found[card] = row
    return found


class Place:
    """Where the machine works; hypothesis makes one machine a history, and pytest gives fixtures to tests."""

    cassandra: ConnectionSettings
    session: Session


@contextmanager
def fresh_cards() -> Iterator[Cards]:
    with tempfile.TemporaryDirectory() as folder, own_keyspace(Place.session, "model") as keyspace:
        yield Cards(Path(folder), Place.cassandra, keyspace, Place.session)


class Model(RuleBasedStateMachine):
    """The row store beside what it is to hold."""

    def __init__(self) -> None:
        super().__init__()
        self.source: Rows = {}
        self.served, self.kept = Load(), None
        self.taken_back: list[Load] = []
        self.number = 0
        self.opened = fresh_cards()
        self.cards = self.opened.__enter__()

    def teardown(self) -> None:
        self.opened.__exit__(None, None, None)

    @initialize(cards=some_cards, ago=hours)
    def begin(self, cards: set[int], ago: int) -> None:
        self.load(cards, ago)
        self.cards.declare()

    @rule(cards=some_cards, ago=hours)
    def load(self, cards: set[int], ago: int) -> None:
        """Replace the source by other values, of any time, of some of the cards."""
        self.number += 1
        # No two loads have values of one moment.
        moment = NOW - ago * HOUR + timedelta(milliseconds=self.number)
        self.put({card: (moment + timedelta(minutes=card), self.number) for card in cards})

    @rule()
    def correct(self) -> None:
        """Change every value of the source, and no time."""
        self.number += 1
        self.put({card: (moment, self.number) for card, (moment, _) in self.source.items()})

    def put(self, rows: Rows) -> None:
        self.source = rows
        moments = pa.array([row[0] for row in rows.values()], pa.timestamp("us", tz="UTC"))
        values = [row[1] for row in rows.values()]
        table = pa.table({"card_id": list(rows), "a": values, "b": values, "at": moments})
        new = self.cards.path.with_suffix(".new")
        pq.write_table(table, new)
        new.replace(self.cards.path)

    @rule(full=st.booleans())
    def materialize(self, full: bool) -> None:
        """Run as a schedule does, or in full."""
        refused = [load for load in self.taken_back if load.is_filled_from(self.source)]
        try:
            report = self.cards.materialize(full=full)
        except LoadTakenBack:
            assert not full
            assert refused
            return
        window = report.window
        # What was changed since is never left as it was.
        assert window.anew or self.served.is_filled_from(self.source)
        assert full or not (window.anew and refused)
        covered = (window.covered_from, window.covered_until)
        if window.anew:
            self.switch(covered)
        else:
            self.served.rows = newest(self.served.rows, within(self.source, window.start, window.end))
            self.served.interval, self.served.source = covered, within(self.source, *covered)

    def switch(self, covered: tuple[datetime, datetime]) -> None:
        self.kept = None if self.served.interval is None else self.served
        rows = within(self.source, *covered)
        self.served, self.taken_back = Load(dict(rows), covered, rows), []

    def corrects(self) -> bool:
        """Tell whether the source has another value of a time that is served."""
        served = self.served.rows
        return any(
            card in served and served[card][0] == moment and served[card][1] != value
            for card, (moment, value) in self.source.items()
        )

    # Of two values of one time Cassandra keeps the greater: a backfill is no correction.
    @precondition(lambda self: not self.corrects())
    @rule(data=st.data())
    def backfill(self, data: Any) -> None:
        """Write an interval of the source that has rows."""
        moment = data.draw(st.sampled_from(sorted(row[0] for row in self.source.values())))
        start = moment - timedelta(minutes=data.draw(st.integers(0, 3)))
        end = moment + timedelta(minutes=data.draw(st.integers(1, 3)))
        window = self.cards.materialize(start=start, end=end).window
        covered = (window.covered_from, window.covered_until)
        self.served.rows = newest(self.served.rows, within(self.source, window.start, window.end))
        self.served.interval, self.served.source = covered, within(self.source, *covered)

    @rule(card=st.sampled_from(CARDS))
    def push(self, card: int) -> None:
        self.number += 1
        self.cards.push(self.number, card)
        self.served.rows = newest(self.served.rows, {card: (datetime.now(timezone.utc), self.number)})

    @rule()
    def roll_back(self) -> None:
        if self.kept is None:
            with pytest.raises(NoEarlierGeneration):
                rebuild.roll_back(self.cards.settings)
            return
        rebuild.roll_back(self.cards.settings)
        self.taken_back.append(self.served)
        self.served, self.kept = self.kept, None

    @rule(seconds=st.floats(0.05, 1.5))
    def kill(self, seconds: float) -> None:
        """End a full run, a process of its own, at any moment: it has switched or it has not."""
        known = Generations(Place.session, self.cards.keyspace, "cards_project")
        before = known.standing("cards").served
        process = subprocess.Popen(
            [warm("python"), "scripts/feast_materialize.py", "--full"],
            cwd=ROOT,
            env=own_environment() | self.cards.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        process.kill()
        process.wait()
        time.sleep(0.5)
        if known.standing("cards").served != before:
            [filled] = [load.filled for load in known.known("cards") if load.state == "served"]
            assert filled is not None
            self.switch((filled.covered_from, filled.covered_until))

    @invariant()
    def what_is_read_is_what_the_model_says(self) -> None:
        if self.number == 0:
            return
        read = self.cards.served(*CARDS)
        held = {card: value for card, (_, value) in self.served.rows.items()}
        assert read == [(held.get(card), held.get(card)) for card in CARDS]


@pytest.mark.fault(
    "Data",
    "any order of pushes, runs, backfills, rollbacks, kills and deletes",
    "what is read is what a model in plain Python says",
)
def test_any_history_serves_what_the_model_says(
    cassandra: ConnectionSettings, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for waited in ("LEFT_SECONDS", "FOLLOWED_SECONDS"):
        monkeypatch.setattr(rebuild, waited, 0.0)
    Place.cassandra, Place.session = cassandra, session
    bounds = settings(
        max_examples=HISTORIES,
        stateful_step_count=10,
        deadline=None,
        database=None,
        # Kills are timed: a history is not the same twice, and a shorter one says nothing of it.
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(Model, settings=bounds)
