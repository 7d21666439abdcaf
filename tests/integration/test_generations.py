"""Data that changes: replaced, corrected, retyped, taken back, while it is read, pushed to and killed."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cards import CARDS, DAY, ROWS, TWO, Cards

from poc.definitions import applied_service
from poc.errors import LoadTakenBack, OnlineValuesDiffer, SourceChanged, ValuesInTheWay
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization import rebuild
from poc.materialization import run as materialization
from poc.online_store import generations
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import NoEarlierGeneration, RebuildRunning
from poc.online_store.generations import Generations
from poc.online_store.row_store import CassandraRowOnlineStore
from poc.online_store.session import SCHEMA, Session
from poc.retrieval.feast_source import open_feast_source

both_layouts = pytest.mark.parametrize("layout", [ROWS, "cassandra"], ids=["rows", "stock"])


@pytest.fixture
def place(tmp_path: Path, cassandra: ConnectionSettings, keyspace: str, session: Session) -> Cards:
    return Cards(tmp_path, cassandra, keyspace, session)


LOADS: dict[str, Callable[[Cards], None]] = {
    "corrected at the same time": lambda place: place.load(2),
    "of older times": lambda place: place.load(2, age=9 * DAY),
    "smaller": lambda place: place.load(1, cards=CARDS // 2),
    "newer": lambda place: place.load(2, age=timedelta(hours=1)),
}


@both_layouts
@pytest.mark.parametrize("change", LOADS)
def test_the_next_run_makes_the_stores_what_the_source_is(place: Cards, layout: str, change: str) -> None:
    place.declare(layout)
    place.load(1)
    place.materialize()
    place.require_equal()
    LOADS[change](place)
    if layout == "cassandra" and change != "newer":
        with pytest.raises(ValuesInTheWay, match="cards_project_cards holds") as refused:
            place.materialize()
        assert place.served(0) == [(1, 1)]
        assert "--full --replace" in refused.value.way_out
        place.materialize(full=True, replace=True)
    else:
        place.materialize()
    place.require_equal()
    # And then there is nothing more to do.
    assert "Nothing" in str(place.materialize().window) or place.materialize().window.continues


def test_a_feature_that_is_added_is_no_obstacle_in_the_stock_layout(place: Cards) -> None:
    place.declare("cassandra", fields=TWO.split(", Field")[0])
    place.load(1)
    place.materialize()
    place.declare("cassandra")
    place.materialize()
    assert place.served(0) == [(1, 1)]
    place.require_equal()


def test_what_was_served_before_can_be_gone_back_to_and_is_not_loaded_again_by_itself(place: Cards) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    with pytest.raises(NoEarlierGeneration):
        rebuild.roll_back(place.settings)
    place.load(2)
    place.materialize()
    assert place.served(0) == [(2, 2)]
    rebuild.roll_back(place.settings)
    assert place.served(0) == [(1, 1)]
    with pytest.raises(LoadTakenBack, match="taken back"):
        place.materialize()
    place.load(3)
    place.materialize()
    assert place.served(0) == [(3, 3)]
    place.require_equal()


def test_load_that_was_taken_back_is_explained_to_who_tests_what_is_served(place: Cards) -> None:
    place.declare()
    for number in (1, 2):
        place.load(number)
        place.materialize()
    rebuild.roll_back(place.settings)
    tested = run_script(place, "scripts/test_feast.py")
    assert tested.returncode == 1
    assert re.search(r"\d+\.a: online 1, offline 2", tested.stdout)
    [way_out] = re.findall(r"what to do: python (scripts/\S+)", tested.stderr)
    assert "If a load was taken back, correct" in run_script(place, way_out).stderr


def run_script(place: Cards, script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, script],
        env=os.environ | place.environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


def test_generation_is_known_by_what_it_holds_after_a_later_run_too(
    place: Cards, capsys: pytest.CaptureFixture[str]
) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    assert place.materialize().window.continues
    rebuild.list_generations(place.settings)
    assert "1: served, made" in (said := capsys.readouterr().out)
    assert f", {CARDS:,} entities of" in said


def test_every_table_asks_another_copy_for_what_is_late(place: Cards) -> None:
    """One without that option failed a run while a node was down."""
    place.declare()
    place.load(1)
    place.materialize()
    read = "SELECT table_name, speculative_retry FROM system_schema.tables WHERE keyspace_name = %s"
    asked_after = {
        row.table_name: row.speculative_retry for row in place.session.execute(read, [place.keyspace])
    }
    assert len(asked_after) >= 4
    assert set(asked_after.values()) == {"50ms"}, asked_after


def test_only_the_served_and_the_one_before_are_kept(place: Cards) -> None:
    place.declare()
    for number in range(1, 5):
        place.load(number)
        place.materialize(full=True)
    assert place.tables() - {"cards_project__cards__direct"} == {
        "cards_project__cards__g3",
        "cards_project__cards__g4",
    }


def test_what_somebody_set_on_the_served_table_is_set_on_the_next_one(place: Cards) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    place.session.execute(
        f"ALTER TABLE {place.keyspace}.cards_project__cards__g1 WITH gc_grace_seconds = 7200 AND compaction ="
        " {'class': 'LeveledCompactionStrategy', 'sstable_size_in_mb': 80}",
        execution_profile=SCHEMA,
    )
    place.load(2)
    place.materialize()
    select = (
        "SELECT gc_grace_seconds, compaction FROM system_schema.tables"
        " WHERE keyspace_name = %s AND table_name = 'cards_project__cards__g2'"
    )
    seconds, compaction = place.session.execute(select, (place.keyspace,)).one()
    assert (seconds, compaction["sstable_size_in_mb"]) == (7200, "80")


def compaction_of(place: Cards, generation: int) -> dict[str, str]:
    select = (
        "SELECT compaction FROM system_schema.tables"
        f" WHERE keyspace_name = %s AND table_name = 'cards_project__cards__g{generation}'"
    )
    return dict(place.session.execute(select, (place.keyspace,)).one().compaction)


def test_files_of_a_new_generation_are_merged_from_the_switch_on(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    own, filling = compaction_of(place, 1), []
    checked = rebuild.NewGeneration.check

    def check(*args: Any) -> int:
        filling.append(compaction_of(place, 2))
        return checked(*args)

    monkeypatch.setattr(rebuild.NewGeneration, "check", check)
    place.load(2)
    place.materialize()
    assert filling == [own | {"enabled": "false"}]
    assert compaction_of(place, 2) == own


def test_table_that_is_not_merged_does_not_make_the_next_one_so(place: Cards) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    place.session.execute(
        f"ALTER TABLE {place.keyspace}.cards_project__cards__g1 WITH compaction ="
        " {'class': 'SizeTieredCompactionStrategy', 'enabled': 'false'}",
        execution_profile=SCHEMA,
    )
    place.load(2)
    place.materialize()
    assert compaction_of(place, 2).get("enabled", "true") == "true"


def test_runs_that_fail_after_the_switch_leave_no_more_tables_than_others(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.declare()
    place.load(1)
    place.materialize()

    def differ(*_: Any) -> None:
        raise OnlineValuesDiffer(["as if"])

    with monkeypatch.context() as patch:
        patch.setattr(materialization, "check_samples", differ)
        for number in range(2, 6):
            place.load(number)
            with pytest.raises(OnlineValuesDiffer):
                place.materialize()
    assert len(place.tables() - {"cards_project__cards__direct"}) <= 3
    place.materialize()
    assert len(place.tables() - {"cards_project__cards__direct"}) == 2


def load_three_and_drop_none(place: Cards, monkeypatch: pytest.MonkeyPatch) -> None:
    """As runs leave it that were killed between the switch and the drop."""
    place.declare()
    with monkeypatch.context() as patch:
        for module in (materialization, rebuild):
            patch.setattr(module, "drop_left", lambda *_: None)
        for number in range(1, 4):
            place.load(number)
            place.materialize()


def test_table_that_somebody_goes_back_to_meanwhile_is_not_dropped(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_three_and_drop_none(place, monkeypatch)
    back = iter([True])

    def go_back(*_: Any) -> None:
        if next(back, False):
            rebuild.roll_back(place.settings)

    monkeypatch.setattr(rebuild, "_wait_until_left", go_back)
    store = open_feature_store(place.settings)
    [definitions] = applied_service(store, place.settings.feature_service).feature_sets
    rebuild.drop_left(store, definitions)
    close_feature_store(store)
    assert place.served(0) == [(2, 2)]
    assert place.tables() >= {f"cards_project__cards__g{number}" for number in (2, 3)}


def test_only_one_load_can_be_taken_back_also_where_older_ones_are_not_dropped_yet(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_three_and_drop_none(place, monkeypatch)
    rebuild.roll_back(place.settings)
    with pytest.raises(NoEarlierGeneration):
        rebuild.roll_back(place.settings)


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        (TWO.replace("Int64", "Float64"), "Int64", 0.5),
        (TWO, "String", 2),
    ],
    ids=["type", "key"],
)
def test_a_changed_type_or_key_is_a_full_run_like_any_other(
    place: Cards, fields: str, key: str, value: float
) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    place.declare(fields=fields, key=key)
    place.load(value, text=key == "String")
    place.materialize(full=True, replace=True)
    assert place.served("0" if key == "String" else 0) == [(value, value)]
    place.require_equal()


@pytest.mark.fault(
    "Definitions", "a feature retyped while serving", "the old type is served until the switch, no read fails"
)
def test_server_goes_on_by_the_old_types_until_the_switch_and_fails_no_read(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = CassandraRowOnlineStore._new_reader

    def slowly(*asked: Any) -> Any:
        reader = made(*asked)
        time.sleep(0.4)
        return reader

    # Readers of the same features in another order follow the table one after another.
    monkeypatch.setattr(CassandraRowOnlineStore, "_new_reader", slowly)
    place.declare()
    place.load(1)
    place.materialize()
    source = open_feast_source(place.settings)
    seen: list[Any] = []
    stop = threading.Event()

    async def read() -> None:
        while not stop.is_set():
            [entity] = await source.read([(0,)])
            assert entity is not None
            seen.append(entity.values["a"])
            await asyncio.sleep(0.002)

    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(asyncio.run, read())
        place.declare(fields=TWO.replace("Int64", "Float64"))
        time.sleep(2)
        place.load(0.5)
        place.materialize(full=True, replace=True)
        time.sleep(2)
        stop.set()
        reading.result(30)
    source.close()
    assert {(type(value), value) for value in seen} == {(int, 1), (float, 0.5)}
    assert seen[-1] == 0.5


@pytest.mark.parametrize(("key", "name"), [("String", "card_id"), ("Int64", "number")])
@pytest.mark.fault(
    "Definitions", "the key retyped or renamed while serving", "the old key is served until the switch"
)
def test_server_goes_on_by_the_old_key_until_the_switch(place: Cards, key: str, name: str) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    source = open_feast_source(place.settings)
    text = key == "String"

    async def value(card: Any) -> Any:
        [entity] = await source.read([(card,)])
        return None if entity is None else entity.values["a"]

    async def go_on(seconds: float) -> set[Any]:
        seen, end = set(), time.monotonic() + seconds
        while time.monotonic() < end:
            seen.add(await value(0))
            await asyncio.sleep(0.01)
        return seen

    async def go_over() -> Any:
        end = time.monotonic() + 30
        while source.served.join_keys == before.join_keys and time.monotonic() < end:
            await asyncio.sleep(0.1)
        return await value("0" if text else 0)

    before = source.served
    with ThreadPoolExecutor(1) as pool:
        place.declare(key=key, key_name=name)
        place.load(2, text=text, key_name=name)
        assert pool.submit(asyncio.run, go_on(3)).result() == {1}
        place.materialize(full=True, replace=True)
        assert pool.submit(asyncio.run, go_over()).result() == 2
    source.close()


BESIDE = """
from features import card, source
from feast import FeatureView, Field
from feast.types import Int64
gone = FeatureView(name="gone", entities=[card], source=source, schema=[Field(name="a", dtype=Int64)])
"""


def test_view_that_is_removed_while_serving_keeps_no_other_from_a_new_load(place: Cards) -> None:
    place.declare(apply=False)
    beside = place.folder / "beside.py"
    beside.write_text(BESIDE)
    place.declare()
    place.load(1)
    place.materialize()
    place.materialize(full=True, view="gone")
    store = open_feature_store(place.settings)

    def served(view: str) -> Any:
        return store.get_online_features([f"{view}:a"], [{"card_id": 0}]).to_dict()["a"]

    # Read first, and so followed first.
    assert [served("gone"), served("cards")] == [[1], [1]]
    beside.unlink()
    place.declare()
    place.load(2)
    place.materialize()
    deadline = time.monotonic() + 20
    while served("cards") != [2]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    close_feature_store(store)


READER = """
import json, sys, threading, time
from pathlib import Path
from poc.feature_store import open_feature_store
from poc.settings import Settings
store = open_feature_store(Settings(_env_file=None, feast_repo_path=Path(sys.argv[1])))
rows = [{"card_id": card} for card in map(int, sys.argv[2:])]
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
reads, failures, seen = 0, [], {}
began = time.time()
while not ended.is_set():
    before = time.time()
    try:
        answer = store.get_online_features(["cards:a", "cards:b"], rows).to_dict()
        values = json.dumps(sorted(set(answer["a"] + answer["b"]), key=str))
        seen[values] = before
    except Exception as error:
        failures.append(repr(error))
    reads += 1
    time.sleep(0.001)  # Two that never rest would leave the run no processor.
    if reads == 1:
        print("ready", flush=True)  # The first read connects: a full run can be faster.
print(json.dumps({"seconds": time.time() - began, "reads": reads, "failures": failures, "seen": seen}))
"""


@pytest.mark.fault(
    "Data",
    "full runs and a rollback under constant reads",
    "no read fails or mixes two loads; the rollback is seen within 2 s",
)
def test_reads_under_way_never_mix_two_loads_nor_fail(place: Cards) -> None:
    """As many runs as RUNS says; each load is seen by itself, and the last no more 2 s after the rollback."""
    place.declare()
    place.load(1)
    place.materialize()
    runs = int(os.environ.get("RUNS", "4"))
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(place.folder), "0", "7", str(CARDS - 1)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(2)
    ]
    for reader in readers:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
    for number in range(2, runs + 2):
        place.load(number)
        place.materialize(full=True)
        time.sleep(1.5)
    rebuild.roll_back(place.settings)
    rolled_back = time.time()
    time.sleep(3)
    for reader in readers:
        report = json.loads(reader.communicate("")[0])
        print(f"{report['reads'] / report['seconds']:,.0f} reads a second")
        assert report["failures"] == []
        assert set(report["seen"]) == {f"[{number}]" for number in range(1, runs + 2)}
        assert report["seen"][f"[{runs + 1}]"] < rolled_back + 2


KILLED = """
import sys
from poc.materialization.plan import RunOptions
from poc.materialization.run import run_materialization
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import open_session
from poc.feature_store import connection_of, open_feature_store
from poc.settings import Settings
from pathlib import Path
settings = Settings(_env_file=None, feast_repo_path=Path(sys.argv[1]), data_dir=Path(sys.argv[1]).parent,
                    direct_keyspace=sys.argv[2])
store = open_feature_store(settings)
session = open_session(connection_of(store))
print("ready", flush=True)
while True:
    run_materialization(settings, store, session, RunOptions(full=True), lambda *_: None)
"""


@pytest.mark.fault(
    "Processes",
    "kill -9 of a full run",
    "what is served stays, the next run completes, no table is left over",
)
def test_killed_run_leaves_what_is_served_and_the_next_one_drops_the_remains(place: Cards) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    for pause in (random.uniform(0, 1.5) for _ in range(int(os.environ.get("KILLS", "3")))):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(place.folder), place.keyspace],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert place.served(0, CARDS - 1) == [(1, 1)] * 2
    place.load(2)
    place.materialize()
    assert place.served(0, CARDS - 1) == [(2, 2)] * 2
    place.require_equal()
    assert len(place.tables() - {"cards_project__cards__direct"}) == 2


@pytest.mark.fault("Processes", "two full runs at once", "one wins, the other says so")
def test_of_two_full_runs_at_once_one_says_so(place: Cards) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    other = Generations(place.session, place.keyspace, "cards_project")
    number = other.claim("cards")
    with pytest.raises(RebuildRunning, match="nothing was changed"):
        place.materialize(full=True)
    other.give_up("cards", number)
    place.materialize(full=True)


def test_what_a_killed_run_claimed_does_not_keep_a_bad_load_from_being_taken_back(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.declare()
    for number in (1, 2):
        place.load(number)
        place.materialize(full=True)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    with monkeypatch.context() as patch:
        patch.setattr(generations, "owner", lambda: f"{socket.gethostname()} process {ended.pid}")
        Generations(place.session, place.keyspace, "cards_project").claim("cards")
    rebuild.roll_back(place.settings)
    assert place.served(0) == [(1, 1)]


def test_claim_that_has_no_table_yet_keeps_nothing_from_being_written(place: Cards) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    Generations(place.session, place.keyspace, "cards_project").claim("cards")
    place.push(9, 0)
    assert place.served(0, 1) == [(9, 9), (1, 1)]


@pytest.mark.fault("Data", "a push during a full run", "nothing pushed is lost")
def test_what_is_pushed_while_a_run_fills_is_served_after_the_switch(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    pusher = open_feature_store(place.settings)

    def push(*_: Any) -> None:
        at = datetime.now(timezone.utc)
        frame = pd.DataFrame({"card_id": [0, CARDS], "a": [9, 9], "b": [9, 9], "at": [at, at]})
        pusher.push("pushed", frame)

    checked = rebuild.NewGeneration.check
    monkeypatch.setattr(
        rebuild.NewGeneration, "check", lambda self, *window: (push(), checked(self, *window))[1]
    )
    place.load(2)
    place.materialize()
    close_feature_store(pusher)
    assert place.served(0, 1, CARDS) == [(9, 9), (2, 2), (9, 9)]


@pytest.mark.fault(
    "Data",
    "the source is replaced while it is materialized",
    "refused; nothing is recorded as done that was not",
)
def test_source_that_is_replaced_while_it_is_materialized_is_not_recorded(
    place: Cards, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.declare()
    place.load(1)
    place.materialize()
    checked = rebuild.NewGeneration.check
    monkeypatch.setattr(
        rebuild.NewGeneration, "check", lambda self, *window: (checked(self, *window), place.load(3))[0]
    )
    place.load(2)
    with pytest.raises(SourceChanged):
        place.materialize()
    assert place.served(0) == [(1, 1)]
    monkeypatch.undo()
    place.materialize()
    assert place.served(0) == [(3, 3)]
    place.require_equal()
