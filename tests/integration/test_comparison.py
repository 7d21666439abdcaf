"""The comparison of both ways on a real Cassandra, both stores filled from one small Parquet."""

import asyncio
import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import ResponseFuture
from own_sessions import apply_definitions
from second_repository import write_second_repository
from stored_features import environment, serving_settings
from tcp_proxy import TcpProxy
from warm_python import warm

from poc.definitions import ServedFeatures, applied_service
from poc.errors import (
    CassandraUnavailable,
    FeaturesNotApplied,
    FeaturesNotMaterialized,
    FeaturesOutdated,
    OnlineTableMissing,
    PocError,
    TooFewTransactions,
    ValuesDiffer,
)
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.direct import DirectTable
from poc.measurement.comparison import Request, differences
from poc.measurement.core import Key, Method
from poc.measurement.place import (
    ARROW_ENGINE,
    ROW_STORE,
    chosen_methods,
    configuration,
    online_block,
    open_place,
    rows_configuration,
    write_configuration,
)
from poc.measurement.stores import compare_stores, open_methods
from poc.measurement.tables import of_size, titles_of
from poc.online_store.connection import ConnectionSettings
from poc.online_store.generations import Generations, Standing
from poc.online_store.naming import generation_table
from poc.online_store.session import Session
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.retrieval.source import FeatureSource
from poc.settings import Settings

NOW = datetime.now(timezone.utc).replace(microsecond=0)
IDS = [f"tx-{number}" for number in range(40)]
KEYS: list[Key] = [(item,) for item in IDS]
KEY_NAMES = ("transaction_id", "card_id", "merchant_id")
TWO = ("direct-cassandra", "feast")
SMALL = Request(requests=12, batch_sizes=(1, 7), seed=3, methods=TWO)
SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_feast_cassandra.py"


@pytest.fixture
def settings(
    cassandra: ConnectionSettings,
    keyspace: str,
    tmp_path: Path,
    definitions: ServedFeatures,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """A project in a folder of its own with a prepared Parquet, and nothing applied."""
    monkeypatch.chdir(tmp_path)
    [view] = definitions.feature_sets
    source = tmp_path / view.source_path
    source.parent.mkdir()
    columns: dict[str, object] = {definitions.key_names[0]: IDS}
    for feature in definitions.features:
        kind = str(feature.dtype)
        make: Callable[[int], object] = {"Float64": lambda i: i / 7, "String": lambda i: f"kind {i % 3}"}.get(
            kind, lambda i: i % 2
        )
        columns[feature.name] = [make(number) for number in range(len(IDS))]
    moment = pa.timestamp("us", "UTC")
    # The last ten are newer than what the `materialized` fixture brings online.
    times = [NOW - timedelta(hours=2 if number < 30 else 0, minutes=1) for number in range(len(IDS))]
    columns[view.timestamp_column] = pa.array(times, moment)
    columns[str(view.created_timestamp_column)] = pa.array(times, moment)
    pq.write_table(pa.table(columns), source)
    return serving_settings(tmp_path, cassandra, keyspace)


@pytest.fixture
def materialized(settings: Settings) -> Settings:
    """The same with the first thirty transactions online, and no direct table."""
    apply_definitions(settings)
    store = open_feature_store(settings)
    store.materialize(NOW - timedelta(days=1), NOW - timedelta(hours=1))
    return settings


@contextmanager
def opened(
    settings: Settings,
    wanted: Sequence[str] | None = ("feast",),
    announce: Callable[[str], object] = lambda what: None,
) -> Iterator[tuple[Method, ...]]:
    """Open the ways to read, those of `TWO` unless told otherwise."""
    with open_place(settings) as place:
        served = applied_service(place.store, settings.feature_service)
        names = chosen_methods(place.store, wanted)
        with open_methods(place, served, KEYS, names, announce) as methods:
            yield methods


def compare(settings: Settings, request: Request = SMALL) -> dict[str, Any]:
    with open_place(settings) as place:
        return compare_stores(place, request)


def counted(found: dict[str, Any]) -> tuple[int, int, int]:
    meta = found["meta"]
    return meta["transactions"], meta["unknown"], meta["features"]


def direct_table(settings: Settings, definitions: ServedFeatures) -> str:
    store = open_feature_store(settings)
    view = definitions.feature_sets[0].view
    return DirectTable(store, settings.direct_keyspace, view).layout.qualified


def online_table(settings: Settings, definitions: ServedFeatures) -> str:
    project = open_feature_store(settings).project
    return f'"{settings.direct_keyspace}"."{project}_{definitions.feature_sets[0].view}"'


def test_both_ways_are_measured_on_what_is_materialized(
    materialized: Settings, definitions: ServedFeatures
) -> None:
    found = compare(materialized)
    assert counted(found) == (30, 10, len(definitions.names))
    assert [method["name"] for method in found["methods"]] == ["direct-cassandra", "feast"]
    assert [item["requests"] for item in found["results"] if item["method"] == "feast"] == [12, 12]
    assert all(item["p50_ms"] > 0 for item in found["results"])


def test_empty_direct_table_is_filled_with_what_is_online(materialized: Settings) -> None:
    with opened(materialized) as (direct, feast):
        assert direct.read(KEYS) == feast.read(KEYS)
        assert sum(row is not None for row in direct.read(KEYS)) == 30


def test_row_store_is_filled_with_what_is_online_and_every_way_reads_it_equally(
    materialized: Settings,
) -> None:
    told: list[str] = []
    for _ in range(2):
        with opened(materialized, None, told.append) as methods:
            answers = {method.name: method.read(KEYS) for method in methods}
    assert list(answers)[:2] == ["direct-cassandra", "direct-cassandra-in"]
    assert {"feast", "feast-rows", "feast-unresolved"} <= set(answers)
    assert differences(KEYS, answers) == []
    assert sum(row is not None for row in answers["direct-cassandra"]) == 30
    assert told == ["Filling the direct table", "Filling the row store"]


def test_as_many_keys_a_statement_are_not_measured_for_single_reads(materialized: Settings) -> None:
    request = Request(3, (1, 25), 1, methods=("direct-cassandra-in", "feast"))
    results = compare(materialized, request)["results"]
    assert list(of_size(results, 1)) == ["direct-cassandra", "feast"]
    assert list(of_size(results, 25)) == ["direct-cassandra", "direct-cassandra-in", "feast"]


def test_unresolved_call_is_feasts_own(materialized: Settings) -> None:
    with open_place(materialized) as place:
        served = applied_service(place.store, materialized.feature_service)
        with open_methods(place, served, KEYS, ("direct-cassandra", "feast", "feast-unresolved")) as methods:
            assert len({id(method.read) for method in methods}) == 3
            assert differences(KEYS, {method.name: method.read(KEYS) for method in methods}) == []


def test_service_of_some_features_is_compared_on_those(settings: Settings) -> None:
    path = settings.feast_repo_path / "features.py"
    whole, some = "[transaction_features]", '[transaction_features[["merchant_category", "amount"]]]'
    assert whole in path.read_text()
    path.write_text(path.read_text().replace(whole, some))
    apply_definitions(settings)
    open_feature_store(settings).materialize(NOW - timedelta(days=1), NOW - timedelta(hours=1))
    assert compare(settings, Request(3, (1,), 1))["meta"]["features"] == 2


def test_row_store_with_another_value_is_filled_again(
    materialized: Settings, session: Session, definitions: ServedFeatures
) -> None:
    with opened(materialized, ("feast-rows",)):
        pass
    view, keyspace = definitions.feature_sets[0].view, materialized.direct_keyspace
    project = "ml_platform_poc_measured"
    served = Generations(session, keyspace, project).standing(view).served
    table = generation_table(project, view, served)
    session.execute(f'TRUNCATE "{keyspace}".{table}', timeout=60)
    with opened(materialized, ("feast-rows",)) as (direct, rows):
        assert rows.read(KEYS) == direct.read(KEYS)


def test_row_store_of_the_same_project_goes_on_serving_what_it_served(
    materialized: Settings, session: Session, keyspace: str, tmp_path: Path
) -> None:
    """Somebody has it beside the default yaml, as stores/rows.yaml has: in its keyspace, by its project."""
    origin = open_feature_store(materialized)
    config = configuration(
        origin,
        registry=str(tmp_path / "own.db"),
        online_store=online_block(origin, type=ROW_STORE),
        batch_engine={"type": ARROW_ENGINE},
    )
    yaml = write_configuration(config, tmp_path / "own.yaml")
    apply_definitions(materialized.model_copy(update={"feast_fs_yaml_file_path": yaml}))
    with opened(materialized, ("feast-rows",)):
        pass
    own = Generations(session, keyspace, origin.project)
    [view] = [item.name for item in origin.list_feature_views()]
    assert (own.standing(view), own.known(view)) == (Standing(), [])


def test_project_on_the_row_store_compares_its_own_store(materialized: Settings, tmp_path: Path) -> None:
    with opened(materialized, ("feast-rows",)):
        pass  # Brings the row store's registry and table to life.
    config = rows_configuration(open_feature_store(materialized), materialized.data_dir)
    yaml = write_configuration(config, tmp_path / "own_rows.yaml")
    found = compare(materialized.model_copy(update={"feast_fs_yaml_file_path": yaml}), Request(3, (1,), 1))
    titles = titles_of(found)
    assert titles["feast"] == "Feast"
    assert "feast-rows" not in titles
    assert found["meta"]["transactions"] == 30


def test_filling_the_direct_table_is_announced_once(materialized: Settings) -> None:
    told: list[str] = []
    for _ in range(2):
        with opened(materialized, announce=told.append):
            pass
    assert told == ["Filling the direct table"]


def test_one_read_of_many_gives_rows_in_the_order_of_the_keys(
    materialized: Settings, definitions: ServedFeatures
) -> None:
    keys = [KEYS[3], ("stranger",), KEYS[1]]
    with opened(materialized, None) as methods:
        for method in methods:
            rows = method.read(keys)
            assert rows == [method.read([key])[0] for key in keys], method.name
            assert rows[1] is None
            assert set(rows[0] or ()) == set(definitions.names)


def test_both_ways_read_at_the_consistency_that_is_stated(materialized: Settings, tmp_path: Path) -> None:
    """Of the row store, at which it can be stated; two of two ways read at it, singly and together."""
    config = rows_configuration(open_feature_store(materialized), materialized.data_dir)
    config.online_config["consistency_level"] = "ONE"
    yaml = write_configuration(config, tmp_path / "one.yaml")
    stated = materialized.model_copy(update={"feast_fs_yaml_file_path": yaml})
    apply_definitions(stated)
    store = open_feature_store(stated)
    store.materialize(NOW - timedelta(days=1), NOW - timedelta(hours=1))
    close_feature_store(store)
    with open_place(stated) as place:
        served = applied_service(place.store, stated.feature_service)
        with open_methods(place, served, KEYS, TWO) as (direct, feast):
            used = place.store._get_provider().online_store.session(place.store.config)
            for method, own in ((direct, place.session), (feast, used)):
                levels: list[int] = []

                def note(future: ResponseFuture, levels: list[int] = levels) -> None:
                    levels.append(future.message.consistency_level)

                own.add_request_init_listener(note)
                method.read(KEYS[:1])
                method.read(KEYS[:3])
                own.remove_request_init_listener(note)
                assert {ConsistencyLevel.value_to_name[level] for level in levels} == {"ONE"}
                assert method.consistency == "ONE"


def test_changed_value_fails_with_its_key_and_column(
    materialized: Settings, session: Session, definitions: ServedFeatures
) -> None:
    compare(materialized)
    session.execute(
        f"UPDATE {direct_table(materialized, definitions)} SET amount = 999"
        f" WHERE {definitions.key_names[0]} = '{IDS[7]}'"
    )
    with pytest.raises(ValuesDiffer, match=f"{IDS[7]} amount: 999.0 by direct-cassandra, 1.0 by feast"):
        compare(materialized)


def test_row_that_only_one_store_has_fails(
    materialized: Settings, session: Session, definitions: ServedFeatures
) -> None:
    compare(materialized)
    session.execute(
        f"DELETE FROM {direct_table(materialized, definitions)} WHERE {definitions.key_names[0]} = '{IDS[7]}'"
    )
    with pytest.raises(ValuesDiffer, match=f"{IDS[7]}: unknown by direct-cassandra, known by feast"):
        compare(materialized)


def test_batch_larger_than_what_is_materialized_is_refused(materialized: Settings) -> None:
    with pytest.raises(TooFewTransactions, match="the 30 that are"):
        compare(materialized, Request(1, (31,), 1, TWO))


def test_definitions_that_were_never_applied_are_said_to_be(settings: Settings) -> None:
    with pytest.raises(FeaturesNotApplied, match="feast_setup"):
        compare(settings)


def test_store_that_was_never_materialized_is_said_to_be(settings: Settings) -> None:
    apply_definitions(settings)
    with pytest.raises(FeaturesNotMaterialized, match="feast_materialize"):
        compare(settings)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("TRUNCATE {online}", FeaturesNotMaterialized),
        ("DROP TABLE {online}", OnlineTableMissing),
        ("DROP KEYSPACE {keyspace}", OnlineTableMissing),
        ("ALTER TABLE {direct} DROP amount", FeaturesOutdated),
    ],
)
def test_store_that_was_lost_or_changed_since_is_named(
    materialized: Settings,
    session: Session,
    definitions: ServedFeatures,
    statement: str,
    error: type[PocError],
) -> None:
    compare(materialized)
    names = {
        "online": online_table(materialized, definitions),
        "direct": direct_table(materialized, definitions),
        "keyspace": materialized.direct_keyspace,
    }
    session.execute(statement.format(**names), timeout=60)
    with pytest.raises(error):
        compare(materialized)


def test_cassandra_that_dies_while_it_is_measured_is_named(
    materialized: Settings, cassandra: ConnectionSettings
) -> None:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    behind = materialized.model_copy(update={"cassandra_hosts": ("127.0.0.1",), "cassandra_port": proxy.port})
    try:
        with (
            open_place(behind) as place,
            pytest.raises(CassandraUnavailable, match=f"127.0.0.1:{proxy.port}"),
        ):
            compare_stores(place, SMALL, progress=proxy.cut)
    finally:
        proxy.cut()


def run_script(settings: Settings, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [warm("python"), str(SCRIPT), *arguments],
        cwd=folder,
        env=dict(os.environ) | environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_script_prints_the_table_and_writes_numbers_and_picture(
    materialized: Settings, session: Session, definitions: ServedFeatures, tmp_path: Path
) -> None:
    arguments = ["--requests=10", "--batch-sizes=1,5", "--methods=feast", "--json=out/numbers.json"]
    done = run_script(materialized, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert "✓ Same values all ways: 30 transactions" in done.stdout
    assert done.stdout.count("| **Feast** ") == 2
    assert "Reading" not in done.stdout
    assert (tmp_path / "comparison.png").read_bytes().startswith(b"\x89PNG")
    written = (tmp_path / "out" / "numbers.json").read_text()
    numbers = json.loads(written)
    assert [(item["method"], item["batch_size"]) for item in numbers["results"]] == [
        ("direct-cassandra", 1),
        ("feast", 1),
        ("direct-cassandra", 5),
        ("feast", 5),
    ]
    there = session.execute("SELECT release_version FROM system.local").one().release_version
    assert numbers["meta"]["versions"]["cassandra"] == there
    assert platform.node() not in written
    assert str(tmp_path) not in written

    session.execute(
        f"UPDATE {direct_table(materialized, definitions)} SET amount = 999"
        f" WHERE {definitions.key_names[0]} = '{IDS[7]}'"
    )
    done = run_script(materialized, tmp_path, *arguments)
    assert done.returncode == 1
    assert f"{IDS[7]} amount: 999.0 by direct-cassandra" in done.stderr
    assert "| Method" not in done.stdout
    assert (tmp_path / "out" / "numbers.json").read_text() == written


def test_script_says_how_to_start_a_cassandra_that_does_not_answer(
    settings: Settings, tmp_path: Path
) -> None:
    done = run_script(settings.model_copy(update={"cassandra_port": 1}), tmp_path)
    assert done.returncode == 1
    assert "Cannot reach Cassandra at 127.0.0.1:1" in done.stderr
    assert "scripts/start_cassandra.py" in done.stderr


def test_script_refuses_bad_arguments_with_status_two(settings: Settings, tmp_path: Path) -> None:
    done = run_script(settings, tmp_path, "--batch-sizes", "0")
    assert done.returncode == 2
    assert "--batch-sizes: '0' is not a whole number" in done.stderr


def test_feature_server_is_started_for_the_run_and_reads_the_same(materialized: Settings) -> None:
    with opened(materialized, ("feast-server",)) as (direct, server):
        assert server.title == "Feast, feature server"
        assert server.read(KEYS) == direct.read(KEYS)
        assert sum(row is not None for row in server.read(KEYS)) == 30


def test_service_of_several_views_and_key_types_is_read_equally_all_ways(
    cassandra: ConnectionSettings, keyspace: str, tmp_path: Path
) -> None:
    made = write_second_repository(
        tmp_path / "feature_repo",
        hosts=cassandra.hosts,
        port=cassandra.port,
        keyspace=keyspace,
        layout="stock",
        field_mapping=True,
        rows=60,
    )
    settings = made.settings(direct_keyspace=keyspace)
    apply_definitions(settings)
    store = open_feature_store(settings)
    store.materialize(NOW - timedelta(days=30), NOW + timedelta(days=1))
    close_feature_store(store)
    keys = [tuple(entity[name] for name in KEY_NAMES) for entity in made.keys]
    with open_place(settings) as place:
        served = applied_service(place.store, settings.feature_service)
        assert served.key_names == KEY_NAMES
        names = chosen_methods(place.store, None, ["feast-server"])
        with open_methods(place, served, keys, names) as methods:
            answers = {method.name: method.read(keys) for method in methods}
        found = compare_stores(place, Request(3, (1, 30), 1, names))
    assert differences(keys, answers) == []
    for rows in answers.values():
        assert {len(row or ()) for row in rows} == {len(served.names)}
    assert counted(found) == (60, 0, len(served.names))


RATES = """
from feast import FeatureView, Field, FileSource
from feast.types import Float64
source = FileSource(path={path!r}, timestamp_field="timestamp")
rates = FeatureView(name="rates", entities=[], schema=[Field(name="rate", dtype=Float64)], source=source)
"""


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_view_without_entities_and_key_of_a_nul_are_read_equally_all_ways(
    cassandra: ConnectionSettings, keyspace: str, tmp_path: Path, layout: str
) -> None:
    made = write_second_repository(
        tmp_path / "feature_repo",
        hosts=cassandra.hosts,
        port=cassandra.port,
        keyspace=keyspace,
        layout=layout,
        rows=30,
    )
    data, features = made.folder / "data", made.folder / "features.py"
    for name in ("transaction_features", "merchant_card_aggregates"):
        merchants = pc.replace_substring_regex(made.tables[name].column("merchant_id"), "^m0$", "\0")
        place = made.tables[name].column_names.index("merchant_id")
        pq.write_table(
            made.tables[name].set_column(place, "merchant_id", merchants), data / f"{name}.parquet"
        )
    rate = {"rate": [0.5], "timestamp": pa.array([NOW - timedelta(days=25)], pa.timestamp("us", "UTC"))}
    pq.write_table(pa.table(rate), data / "rates.parquet")
    (made.folder / "rates.py").write_text(RATES.format(path=str(data / "rates.parquet")))
    text = features.read_text().replace("merchant_card_aggregates]", "merchant_card_aggregates, rates]")
    features.write_text(text.replace("from aggregates", "from rates import rates\nfrom aggregates", 1))
    settings = made.settings(direct_keyspace=keyspace)
    apply_definitions(settings)
    store = open_feature_store(settings)
    store.materialize(NOW - timedelta(days=30), NOW + timedelta(days=1))
    close_feature_store(store)
    keys = [tuple(entity[name] for name in KEY_NAMES) for entity in made.keys]
    keys = [(*key[:2], "\0" if key[2] == "m0" else key[2]) for key in keys]
    assert any(key[2] == "\0" for key in keys)
    with open_place(settings) as opened:
        served = applied_service(opened.store, settings.feature_service)
        names = chosen_methods(opened.store, None)
        with open_methods(opened, served, keys, names) as methods:
            answers = {method.name: method.read(keys) for method in methods}
    assert differences(keys, answers) == []
    assert {row and row["rate"] for row in answers["direct-cassandra"]} == {0.5}
    for open_source in (open_feast_source, open_direct_source):
        source = open_source(settings)

        async def found(source: FeatureSource = source) -> list[float | None]:
            await source.check()
            return [item and item.values["rate"] for item in await source.read(keys)]

        assert asyncio.run(found()) == [0.5] * len(keys)
        source.close()
