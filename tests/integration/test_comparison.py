"""The comparison of both ways on a real Cassandra, both stores filled from one small Parquet."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import ResponseFuture, Session
from stored_features import apply, environment, serving_settings
from tcp_proxy import TcpProxy

from poc.comparison.agreement import differences
from poc.comparison.comparison import Comparison, Request
from poc.comparison.methods import direct_cassandra, public_call
from poc.comparison.row_layout import row_store_settings
from poc.comparison.stores import chosen_methods, compare_stores, open_methods
from poc.database.direct_table import DirectTable
from poc.database.endpoint import Endpoint
from poc.database.sessions import cassandra_session
from poc.definitions import FeatureSet
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
from poc.feature_store import open_feature_store
from poc.settings import Settings

NOW = datetime.now(timezone.utc).replace(microsecond=0)
IDS = [f"tx-{number}" for number in range(40)]
TWO = ("direct-cassandra", "feast-stock")
SMALL = Request(requests=12, batch_sizes=(1, 7), seed=3, methods=TWO)
SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_feast_cassandra.py"


@pytest.fixture
def settings(
    cassandra: Endpoint,
    keyspace: str,
    tmp_path: Path,
    definitions: FeatureSet,
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """A project in a folder of its own with a prepared Parquet, and nothing applied."""
    monkeypatch.chdir(tmp_path)
    source = tmp_path / definitions.source_path
    source.parent.mkdir()
    columns: dict[str, object] = {definitions.join_key: IDS}
    for feature in definitions.features:
        kind = str(feature.dtype)
        make: Callable[[int], object] = {"Float64": lambda i: i / 7, "String": lambda i: f"kind {i % 3}"}.get(
            kind, lambda i: i % 2
        )
        columns[feature.name] = [make(number) for number in range(len(IDS))]
    moment = pa.timestamp("us", "UTC")
    # The last ten are newer than what the `materialized` fixture brings online.
    times = [NOW - timedelta(hours=2 if number < 30 else 0, minutes=1) for number in range(len(IDS))]
    columns[definitions.timestamp_column] = pa.array(times, moment)
    columns[str(definitions.created_timestamp_column)] = pa.array(times, moment)
    pq.write_table(pa.table(columns), source)
    return serving_settings(tmp_path, cassandra, keyspace)


@pytest.fixture
def materialized(settings: Settings) -> Settings:
    """The same with the first thirty transactions online, and no direct table."""
    apply(settings)
    store = open_feature_store(settings)
    store.materialize(NOW - timedelta(days=1), NOW - timedelta(hours=1))
    return settings


def compare(settings: Settings, session: Session, request: Request = SMALL) -> Comparison:
    return compare_stores(settings, session, "the cluster", request)


def direct_table(settings: Settings, definitions: FeatureSet) -> str:
    return DirectTable(settings.direct_keyspace, definitions).qualified_name


def online_table(settings: Settings, definitions: FeatureSet) -> str:
    return f'"{settings.direct_keyspace}"."{open_feature_store(settings).project}_{definitions.view}"'


def test_both_ways_are_measured_on_what_is_materialized(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    found = compare(materialized, session)
    assert (found.transactions, found.unknown, found.features) == (30, 10, len(definitions.names))
    assert [method.name for method in found.methods] == ["direct-cassandra", "feast-stock"]
    assert [result.summaries["feast-stock"].requests for result in found.results] == [12, 12]
    assert all(summary.p50_ms > 0 for result in found.results for summary in result.summaries.values())


def test_empty_direct_table_is_filled_with_what_is_online(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    with open_methods(materialized, session, "the cluster", IDS, TWO) as (direct, feast):
        assert direct.read(IDS) == feast.read(IDS)
        assert sum(row is not None for row in direct.read(IDS)) == 30


def test_row_store_is_filled_with_what_is_online_and_every_way_reads_it_equally(
    materialized: Settings, session: Session
) -> None:
    names = chosen_methods(materialized, None)
    told: list[str] = []
    for _ in range(2):
        with open_methods(materialized, session, "the cluster", IDS, names, told.append) as methods:
            answers = {method.name: method.read(IDS) for method in methods}
    assert tuple(answers) == names
    assert differences(IDS, answers) == []
    assert told == ["Filling the direct table", "Filling the row store"]


def test_service_of_some_features_is_compared_on_those(settings: Settings, session: Session) -> None:
    path = settings.feast_repo_path / "features.py"
    whole, some = "[transaction_features]", '[transaction_features[["merchant_category", "amount"]]]'
    assert whole in path.read_text()
    path.write_text(path.read_text().replace(whole, some))
    apply(settings)
    open_feature_store(settings).materialize(NOW - timedelta(days=1), NOW - timedelta(hours=1))
    assert compare(settings, session, Request(3, (1,), 1)).features == 2


def test_row_store_with_another_value_is_filled_again(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    names = chosen_methods(materialized, ("feast-rows",))
    with open_methods(materialized, session, "the cluster", IDS, names):
        pass
    table = f'"{materialized.direct_keyspace}".ml_platform_poc__{definitions.view}'
    session.execute(f"TRUNCATE {table}", timeout=60)
    with open_methods(materialized, session, "the cluster", IDS, names) as (direct, rows):
        assert rows.read(IDS) == direct.read(IDS)


def test_project_on_the_row_store_compares_its_own_store(materialized: Settings, session: Session) -> None:
    with row_store_settings(materialized) as rows:
        names = chosen_methods(materialized, ("feast-rows", "feast-rows-resolved"))
        with open_methods(materialized, session, "the cluster", IDS, names):
            pass  # Brings the row store's registry and table to life.
        found = compare(rows, session, Request(3, (1,), 1))
    titles = {method.name: method.title for method in found.methods}
    assert (titles["feast-rows"], titles["feast-rows-resolved"]) == ("Feast", "Feast, resolved")
    assert not any(name.startswith("feast-stock") for name in titles)
    assert found.transactions == 30


def test_filling_the_direct_table_is_announced_once(materialized: Settings, session: Session) -> None:
    told: list[str] = []
    for _ in range(2):
        with open_methods(materialized, session, "the cluster", IDS, TWO, told.append):
            pass
    assert told == ["Filling the direct table"]


def test_one_read_of_many_gives_rows_in_the_order_of_the_ids(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    ids = [IDS[3], "stranger", IDS[1]]
    with open_methods(materialized, session, "the cluster", IDS, TWO) as methods:
        for method in methods:
            rows = method.read(ids)
            assert rows == [method.read([item])[0] for item in ids]
            assert rows[1] is None
            assert set(rows[0] or ()) == set(definitions.names)


def test_both_ways_read_at_the_consistency_that_is_stated(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    compare(materialized, session)
    store = open_feature_store(materialized)
    feast = public_call("feast-stock", store, materialized.feature_service, definitions.join_key)
    feast.read(IDS[:1])
    direct = direct_cassandra(session, DirectTable(materialized.direct_keyspace, definitions))
    for method, used in ((direct, session), (feast, store._get_provider().online_store._session)):
        levels: list[int] = []

        def note(future: ResponseFuture, levels: list[int] = levels) -> None:
            levels.append(future.message.consistency_level)

        used.add_request_init_listener(note)
        method.read(IDS[:1])
        method.read(IDS[:3])
        used.remove_request_init_listener(note)
        assert [ConsistencyLevel.value_to_name[level] for level in levels] == [method.consistency] * 4
    store._get_provider().online_store._session.cluster.shutdown()


def test_changed_value_fails_with_its_id_and_column(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    compare(materialized, session)
    session.execute(
        f"UPDATE {direct_table(materialized, definitions)} SET amount = 999"
        f" WHERE {definitions.join_key} = '{IDS[7]}'"
    )
    with pytest.raises(ValuesDiffer, match=f"{IDS[7]} amount: 999.0 by direct-cassandra, 1.0 by feast-stock"):
        compare(materialized, session)


def test_row_that_only_one_store_has_fails(
    materialized: Settings, session: Session, definitions: FeatureSet
) -> None:
    compare(materialized, session)
    session.execute(
        f"DELETE FROM {direct_table(materialized, definitions)} WHERE {definitions.join_key} = '{IDS[7]}'"
    )
    with pytest.raises(ValuesDiffer, match=f"{IDS[7]}: unknown by direct-cassandra, known by feast-stock"):
        compare(materialized, session)


def test_batch_larger_than_what_is_materialized_is_refused(materialized: Settings, session: Session) -> None:
    with pytest.raises(TooFewTransactions, match="the 30 that are"):
        compare(materialized, session, Request(1, (31,), 1, TWO))


def test_definitions_that_were_never_applied_are_said_to_be(settings: Settings, session: Session) -> None:
    with pytest.raises(FeaturesNotApplied, match="feast_setup"):
        compare(settings, session)


def test_store_that_was_never_materialized_is_said_to_be(settings: Settings, session: Session) -> None:
    apply(settings)
    with pytest.raises(FeaturesNotMaterialized, match="feast_materialize"):
        compare(settings, session)


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
    definitions: FeatureSet,
    statement: str,
    error: type[PocError],
) -> None:
    compare(materialized, session)
    names = {
        "online": online_table(materialized, definitions),
        "direct": direct_table(materialized, definitions),
        "keyspace": materialized.direct_keyspace,
    }
    session.execute(statement.format(**names), timeout=60)
    with pytest.raises(error):
        compare(materialized, session)


def test_cassandra_that_dies_while_it_is_measured_is_named(
    materialized: Settings, cassandra: Endpoint
) -> None:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    behind = materialized.model_copy(update={"cassandra_hosts": ("127.0.0.1",), "cassandra_port": proxy.port})
    try:
        with (
            cassandra_session(Endpoint(("127.0.0.1",), proxy.port)) as session,
            pytest.raises(CassandraUnavailable, match="the cluster"),
        ):
            compare_stores(behind, session, "the cluster", SMALL, progress=proxy.cut)
    finally:
        proxy.cut()


def run_script(settings: Settings, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=folder,
        env=dict(os.environ) | environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_script_prints_the_table_and_writes_numbers_and_picture(
    materialized: Settings, session: Session, definitions: FeatureSet, tmp_path: Path
) -> None:
    arguments = ["--requests=10", "--batch-sizes=1,5", "--methods=feast-stock", "--json=out/numbers.json"]
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
        ("feast-stock", 1),
        ("direct-cassandra", 5),
        ("feast-stock", 5),
    ]
    assert numbers["meta"]["versions"]["cassandra"].startswith("5.")
    assert platform.node() not in written
    assert str(tmp_path) not in written

    session.execute(
        f"UPDATE {direct_table(materialized, definitions)} SET amount = 999"
        f" WHERE {definitions.join_key} = '{IDS[7]}'"
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


def test_feature_server_is_started_for_the_run_and_reads_the_same(
    materialized: Settings, session: Session
) -> None:
    names = chosen_methods(materialized, ("feast-server",))
    with open_methods(materialized, session, "the cluster", IDS, names) as (direct, server):
        assert server.title == "Feast, feature server"
        assert server.read(IDS) == direct.read(IDS)
        assert sum(row is not None for row in server.read(IDS)) == 30
