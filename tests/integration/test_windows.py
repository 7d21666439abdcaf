"""What a materialization covers: the view's ttl, nothing of the future, nothing past the store's own ttl."""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from card_stores import STORES, write_configuration
from cassandra import InvalidRequest
from own_sessions import apply_definitions

from poc.dataset.stored import sample_keys
from poc.definitions import applied_service
from poc.errors import NothingToMaterialize
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.freshness import Freshness, read_freshness
from poc.materialization.plan import RunOptions
from poc.materialization.records import MaterializationRecord
from poc.materialization.run import ViewReport, run_materialization, tell
from poc.materialization.verification import Check, check_entities
from poc.measurement.comparison import Request
from poc.measurement.place import open_place
from poc.measurement.stores import compare_stores
from poc.online_store.config import LAST_EXPIRY
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session, cassandra_session
from poc.quality.consistency import StoreCheck, check_consistency
from poc.settings import Settings

NOW = datetime.now(timezone.utc).replace(microsecond=0)
DAY = timedelta(days=1)
YEAR = 365 * DAY
FEATURES = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Int64, String

card = Entity(name="card", join_keys=["card_id"], value_type=ValueType.STRING)
cards = FeatureView(
    name="cards",
    entities=[card],
    schema=[Field(name="card_id", dtype=String), Field(name="payments", dtype=Int64)],
    source=FileSource(path={path!r}, timestamp_field="at"),
    ttl=timedelta(days={ttl_days}),
)
fraud_detection_v1 = FeatureService(name="fraud_detection_v1", features=[cards])
"""


class Cards:
    """A repository of one view over cards, the ages of whose rows a test gives."""

    def __init__(self, folder: Path, cassandra: ConnectionSettings, keyspace: str, session: Session) -> None:
        self.folder, self.cassandra, self.keyspace, self.session = folder, cassandra, keyspace, session
        self.path = folder / "cards.parquet"
        self.repo = folder / "repo"
        self.repo.mkdir()
        self.settings = Settings(
            _env_file=None, feast_repo_path=self.repo, data_dir=folder, direct_keyspace=keyspace
        )

    def write_rows(self, ages: Mapping[str, timedelta]) -> None:
        """Write a row for each name, which is the card's id up to a `@`."""
        ids = [name.partition("@")[0] for name in ages]
        times = pa.array([NOW - age for age in ages.values()], pa.timestamp("us", "UTC"))
        pq.write_table(pa.table({"card_id": ids, "payments": range(len(ids)), "at": times}), self.path)

    def apply(self, layout: str = "rows", ttl_days: int = 30, **online: int) -> None:
        (self.repo / "features.py").write_text(FEATURES.format(path=str(self.path), ttl_days=ttl_days))
        registry = self.folder / "registry.db"
        write_configuration(self.repo, registry, layout, self.cassandra, self.keyspace, **online)
        apply_definitions(self.settings)

    def materialize(self, **options: datetime | bool) -> ViewReport:
        store = open_feature_store(self.settings)
        try:
            [report] = run_materialization(
                self.settings,
                store,
                self.session,
                RunOptions(**options),  # type: ignore[arg-type]
                lambda view, window: None,
            )
        finally:
            close_feature_store(store)
        return report

    def payments(self, *ids: str) -> list[int | None]:
        store = open_feature_store(self.settings)
        try:
            rows = [{"card_id": id} for id in ids]
            return store.get_online_features(["cards:payments"], rows).to_dict()["payments"]
        finally:
            close_feature_store(store)

    def checks(self) -> list[Check]:
        store = open_feature_store(self.settings)
        try:
            served = applied_service(store, self.settings.feature_service)
            return list(check_entities(store, served, sample_keys(served, 50)))
        finally:
            close_feature_store(store)

    def consistency(self) -> tuple[StoreCheck, ...]:
        store = open_feature_store(self.settings)
        try:
            # As the script does: a session hears of tables that another one made a moment later.
            with cassandra_session(self.cassandra) as session:
                [view] = check_consistency(self.settings, store, session, lambda count: None)
        finally:
            close_feature_store(store)
        assert view.holds and not view.offline_changed
        return view.stores

    def freshness(self) -> Freshness:
        store = open_feature_store(self.settings)
        try:
            [found] = read_freshness(self.settings, store, self.session)
        finally:
            close_feature_store(store)
        return found


@pytest.fixture
def cards(tmp_path: Path, cassandra: ConnectionSettings, keyspace: str, session: Session) -> Cards:
    return Cards(tmp_path, cassandra, keyspace, session)


OF_ALL_AGES = {"new": DAY, "month": 40 * DAY, "old": 20 * YEAR}


@pytest.mark.parametrize("layout", ["rows", "stock"])
@pytest.mark.parametrize(
    ("ttl_days", "expected"),
    [(7, [0, None, None]), (90, [0, 1, None]), (0, [0, 1, 2])],
    ids=["week", "quarter", "none"],
)
def test_first_and_full_run_take_what_the_views_ttl_has_not_made_stale(
    cards: Cards, layout: str, ttl_days: int, expected: list[int | None]
) -> None:
    cards.write_rows(OF_ALL_AGES)
    cards.apply(layout, ttl_days)
    first = cards.materialize()
    said = f"the last {ttl_days} days" if ttl_days else "everything"
    assert first.window.why == f"{said}: first run"
    assert cards.payments(*OF_ALL_AGES) == expected
    assert first.entities == sum(value is not None for value in expected)
    assert cards.materialize(full=True).window.why == f"{said}: as asked"
    assert cards.payments(*OF_ALL_AGES) == expected
    assert [(check.compared, check.others) for check in cards.consistency()] == [(first.entities, 0)] * 2
    assert all(not check.differences for check in cards.checks())
    assert cards.materialize().window.continues


def test_ttl_that_grows_brings_older_rows_online(cards: Cards) -> None:
    cards.write_rows(OF_ALL_AGES)
    cards.apply(ttl_days=30)
    cards.materialize()
    assert cards.payments(*OF_ALL_AGES) == [0, None, None]
    cards.apply(ttl_days=0)
    assert not cards.materialize().window.continues
    assert cards.payments(*OF_ALL_AGES) == [0, 1, 2]


WITH_FUTURE = {"a@past": DAY, "b": 2 * DAY, "a@future": -400 * DAY, "late": -YEAR}


@pytest.mark.parametrize(
    ("layout", "named"), [("rows", "end"), ("stock", "end"), ("rows", "until"), ("rows", None)]
)
@pytest.mark.fault("Data", "rows of the future", "they wait and are counted, freshness tells the truth")
def test_rows_of_the_future_wait_and_are_counted_and_freshness_tells_the_truth(
    cards: Cards, capsys: pytest.CaptureFixture[str], layout: str, named: str | None
) -> None:
    cards.write_rows(WITH_FUTURE)
    cards.apply(layout)
    report = cards.materialize(**({} if named is None else {named: NOW + 2 * YEAR}))
    assert ("lies in the future" in report.window.why) == (named is not None)
    assert report.window.end <= datetime.now(timezone.utc)
    assert cards.payments("a", "b", "late") == [0, 1, None]
    assert report.waiting == 2
    assert len(report.sampled) == 2
    tell([report])
    assert "2 rows lie in the future and wait" in capsys.readouterr().err
    found = cards.freshness()
    assert (found.materialized_until, found.newest_event) == (report.window.end, NOW - DAY)
    assert [check.compared for check in cards.checks()] == [("cards",)] * 2
    assert cards.materialize().window.continues


def test_source_with_rows_of_the_future_only_has_nothing_to_materialize(cards: Cards) -> None:
    cards.write_rows({"late": -YEAR})
    cards.apply()
    with pytest.raises(NothingToMaterialize, match=f"in the future, up to {NOW + YEAR:%Y}") as told:
        cards.materialize(end=NOW + 2 * YEAR)
    assert "--start" not in told.value.way_out


@pytest.mark.parametrize("layout", ["stock", "rows"])
def test_everything_is_also_what_was_before_1970(cards: Cards, layout: str) -> None:
    cards.write_rows({"a": DAY, "older": 71 * YEAR, "oldest": 300 * YEAR})
    cards.apply(layout, ttl_days=0)
    assert cards.materialize().entities == 3
    assert cards.payments("a", "older", "oldest") == [0, 1, 2]
    assert cards.materialize().window.continues


def test_newest_row_that_an_interval_could_hold_is_named(cards: Cards) -> None:
    cards.write_rows({"late": -YEAR, "old": 3 * YEAR})
    cards.apply()
    with pytest.raises(NothingToMaterialize, match=f"newest row is of {NOW - 3 * YEAR:%Y-%m-%d}") as told:
        cards.materialize()
    assert "--start" in told.value.way_out


def test_run_that_was_recorded_into_the_future_is_told_by_its_end_and_made_anew(cards: Cards) -> None:
    cards.write_rows({"a": DAY})
    cards.apply()
    cards.materialize()
    record = MaterializationRecord(cards.keyspace, "cards_project")
    last = record.last(cards.session, STORES["rows"], "cards")
    assert last is not None
    finished = last.finished_at.isoformat()
    cards.session.execute(
        f"UPDATE {cards.keyspace}.cards_project__materializations SET covered_until = %s"
        " WHERE online_store = %s AND feature_view = %s AND finished_at = %s",
        (NOW + 2 * YEAR, STORES["rows"], "cards", last.finished_at),
    )
    assert cards.freshness().materialized_until.isoformat() == finished
    assert "reached into the future" in cards.materialize().window.why
    assert cards.materialize().window.continues


OF_SOME_AGES = {f"old{age}": age * DAY for age in range(11, 25)} | {
    f"new{age}": age * DAY for age in range(9)
}
TEN_DAYS = 10 * 86_400


def test_rows_past_the_stores_time_to_live_are_neither_written_nor_missed(cards: Cards) -> None:
    cards.write_rows(OF_SOME_AGES)
    cards.apply(ttl_seconds=TEN_DAYS)
    report = cards.materialize()
    assert len(report.sampled) == 5 and all(id.startswith("new") for id in report.sampled)
    online, direct = cards.consistency()
    assert (online.compared, online.expired, online.missing, online.others) == (23, 14, 0, 0)
    assert (direct.compared, direct.expired, direct.missing) == (23, 0, 0)
    checks = cards.checks()
    assert sum(check.compared == ("cards",) for check in checks) == 9
    assert all(not check.differences for check in checks)
    assert cards.materialize().window.continues
    assert "as asked" in cards.materialize(full=True).window.why


def test_lost_row_within_the_time_to_live_is_missed(cards: Cards) -> None:
    cards.write_rows(OF_SOME_AGES)
    cards.apply(ttl_seconds=TEN_DAYS)
    cards.materialize()
    cards.session.execute(f"DELETE FROM {cards.keyspace}.cards_project__cards__g1 WHERE card_id = 'new3'")
    found = {check.key: len(check.differences) for check in cards.checks()}
    assert {key for key, count in found.items() if count} == {("new3",)}


def test_store_that_has_removed_every_row_by_itself_is_not_filled_again_and_again(cards: Cards) -> None:
    cards.write_rows({"a": 20 * DAY, "b": 21 * DAY})
    cards.apply(ttl_seconds=TEN_DAYS)
    report = cards.materialize()
    assert (report.sampled, cards.payments("a", "b")) == ((), [None, None])
    assert cards.materialize().window.continues
    assert [check.compared for check in cards.checks()] == [(), ()]


def test_ways_of_reading_agree_though_the_store_removes_rows(cards: Cards) -> None:
    cards.write_rows(OF_SOME_AGES)
    cards.apply(ttl_seconds=TEN_DAYS)
    cards.materialize()
    request = Request(requests=4, batch_sizes=(1,), seed=3, methods=("direct-cassandra", "feast"))
    with open_place(cards.settings) as place:
        assert compare_stores(place, request)["meta"]["transactions"] == 9


def test_longest_time_to_live_is_what_cassandra_holds(cards: Cards) -> None:
    longest = int((LAST_EXPIRY - datetime.now(timezone.utc)).total_seconds())
    cards.session.execute(f"CREATE TABLE {cards.keyspace}.held (id int PRIMARY KEY, a int)")
    insert = f"INSERT INTO {cards.keyspace}.held (id, a) VALUES (1, 1) USING TTL %s"
    cards.session.execute(insert, (longest - 60,))
    with pytest.raises(InvalidRequest, match="2038-01-19T03:14:06"):
        cards.session.execute(insert, (longest + 60,))
    cards.write_rows({"a": timedelta(0)})
    cards.apply(ttl_seconds=longest - 60)
    cards.materialize()
    assert cards.payments("a") == [0]


def state_ttl_seconds(workplace: Any, seconds: int) -> None:
    path = workplace.folder / "feature_repo/feature_store.yaml"
    config = yaml.safe_load(path.read_text())
    config["online_store"]["ttl_seconds"] = seconds
    path.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.parametrize("workplace", ["stores/rows.yaml"], indirect=True, scope="module")
def test_every_script_is_content_with_a_store_that_removes_rows(workplace: Any) -> None:
    state_ttl_seconds(workplace, TEN_DAYS)
    workplace.shell("python scripts/feast_setup.py")
    assert "(the last 30 days: first run)" in workplace.shell("python scripts/feast_materialize.py").stderr
    assert "new since the last run" in workplace.shell("python scripts/feast_materialize.py").stderr
    assert workplace.shell("python scripts/test_feast.py").stdout.count("✓ Transaction") == 5
    checked = workplace.shell("python scripts/check_consistency.py")
    assert checked.stdout.count("every value equal") == 2
    assert "expired online, as the store's ttl_seconds asks" in checked.stderr
    compared = workplace.shell("python scripts/compare_feast_cassandra.py --requests 20 --batch-sizes 1,10")
    assert "✓ Same values all ways" in compared.stdout
    state_ttl_seconds(workplace, 600_000_000)
    refused = workplace.shell("python scripts/feast_materialize.py", check=False)
    assert refused.returncode == 1
    assert "ttl_seconds: Cassandra keeps no row" in refused.stderr
