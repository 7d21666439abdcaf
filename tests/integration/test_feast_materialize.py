"""scripts/feast_materialize.py as a person runs it, in a copy of the project on a real Cassandra."""

import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from few_records import TRANSACTIONS

from poc.online_store.session import Session

PARQUET = "data/credit_card_fraud_10k.parquet"
MATERIALIZE = "python scripts/feast_materialize.py"


@pytest.fixture(scope="module", autouse=True)
def prepared(workplace: Any) -> None:
    workplace.shell("python scripts/feast_setup.py")


@pytest.fixture(scope="module")
def first_run(prepared: None, workplace: Any) -> subprocess.CompletedProcess[str]:
    """A first run that Ctrl-C ends once it has begun, then one that is left alone."""
    process = subprocess.Popen(
        [sys.executable, "scripts/feast_materialize.py"],
        cwd=workplace.folder,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Materializing "):
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    return workplace.shell(MATERIALIZE)


@pytest.mark.fault("Processes", "Ctrl-C in mid materialization", "exit status 130; the next run completes")
def test_run_after_an_interrupted_one_completes_it(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    assert "first run" in first_run.stderr
    assert f"{TRANSACTIONS:,} transactions" in first_run.stderr
    assert workplace.shell("python scripts/test_feast.py").stdout.count("✓ Transaction") == 5


@pytest.mark.parametrize("script", ["feast_setup", "show_materializations", "validate_features"])
def test_what_is_piped_has_no_escape_codes(
    first_run: subprocess.CompletedProcess[str], workplace: Any, script: str
) -> None:
    done = workplace.shell(f"python scripts/{script}.py")
    assert "\x1b" not in first_run.stdout + first_run.stderr + done.stdout + done.stderr


def test_both_stores_hold_every_transaction(
    first_run: subprocess.CompletedProcess[str], session: Session
) -> None:
    online = session.execute(
        "SELECT DISTINCT entity_key FROM feast_online_store.ml_platform_poc_transaction_features"
    )
    direct = session.execute("SELECT transaction_id FROM ml_features.transaction_features")
    assert (len(list(online)), len(list(direct))) == (TRANSACTIONS, TRANSACTIONS)


def test_later_run_takes_only_what_is_new(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    assert re.search(r"new since the last run\)(.|\n)* 0 transactions", workplace.shell(MATERIALIZE).stderr)


def test_corrected_value_is_found_and_served(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    path = workplace.folder / PARQUET
    table = pq.read_table(path)
    corrected = pc.if_else(pc.equal(table["transaction_id"], "12345"), 501.5, table["amount"])
    index = table.column_names.index("amount")
    pq.write_table(table.set_column(index, table.field("amount"), corrected), path)
    refused = workplace.shell(MATERIALIZE, check=False)
    assert refused.returncode == 1
    assert "1 corrected at the same event time" in refused.stderr
    assert "as asked" in workplace.shell(f"{MATERIALIZE} --full --replace").stderr
    printed = workplace.python(
        "from feast import FeatureStore\n"
        "store = FeatureStore('feature_repo')\n"
        "rows = [{'transaction_id': '12345'}]\n"
        "print(store.get_online_features(['transaction_features:amount'], rows).to_dict())"
    ).stdout
    assert "501.5" in printed


def test_wrong_online_value_ends_with_status_1_and_a_full_run_mends_it(
    first_run: subprocess.CompletedProcess[str], workplace: Any, session: Session
) -> None:
    sampled = re.search(r"  ([^,\s]+), .*online values equal", workplace.shell(MATERIALIZE).stderr)[1]
    table = "feast_online_store.ml_platform_poc_transaction_features"
    cells = session.execute(
        f"SELECT entity_key, writetime(value) AS written FROM {table}"
        " WHERE feature_name = 'amount' ALLOW FILTERING",
        timeout=60,
    )
    # An entity key of version 2 ends with its value's length, 4 bytes, and the value.
    ending = len(sampled).to_bytes(4, "little") + sampled.encode()
    cell = next(cell for cell in cells if bytes.fromhex(cell.entity_key).endswith(ending))
    session.execute(
        f"DELETE FROM {table} USING TIMESTAMP {cell.written}"
        " WHERE entity_key = %s AND feature_name = 'amount'",
        (cell.entity_key,),
    )
    failed = workplace.shell(MATERIALIZE, check=False)
    assert failed.returncode == 1
    assert f"{sampled}.amount: online None" in failed.stderr
    assert "--full" in failed.stderr
    refused = workplace.shell(f"{MATERIALIZE} --full", check=False)
    assert refused.returncode == 1
    assert "1 with a value that was deleted" in refused.stderr
    workplace.shell(f"{MATERIALIZE} --full --replace")


@pytest.mark.fault("Processes", "two materializations at once", "both complete, one after the other")
def test_two_runs_at_once_wait_for_each_other(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    done = workplace.shell(f"{MATERIALIZE} & first=$!; {MATERIALIZE}; wait $first")
    assert done.stdout.count("✓ Feature Materialization Complete!") == 2


@pytest.mark.fault("Data", "a late backfill", "the newest values stay")
def test_late_backfill_leaves_the_newest_values(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    workplace.shell("feast -c feature_repo materialize 2024-11-01T00:00:00 2024-12-01T00:00:00")
    newest = workplace.python(
        "from poc.definitions import applied_service\n"
        "from poc.materialization.verification import check_entities\n"
        "from poc.feature_store import open_feature_store\n"
        "from poc.settings import load_settings\n"
        "settings = load_settings()\n"
        "store = open_feature_store(settings)\n"
        "served = applied_service(store, settings.feature_service)\n"
        "found = check_entities(store, served, [('12345',), ('67890',), ('11111',)])\n"
        "print([check.differences for check in found])"
    ).stdout
    assert newest.strip().endswith("[(), (), ()]")


def test_backfill_moves_neither_freshness_nor_what_is_compared_back(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    workplace.shell(MATERIALIZE)
    now = datetime.now(timezone.utc)
    start, end = ((now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S") for days in (12, 8))
    workplace.shell(f"{MATERIALIZE} --start {start} --end {end}")
    assert "materialized until" in workplace.shell("python scripts/check_freshness.py --max-age 1h").stdout
    checked = workplace.shell("python scripts/check_consistency.py").stdout
    assert [line.partition(": ")[2][:18] for line in checked.splitlines() if "every value equal" in line] == [
        f"{TRANSACTIONS:,} transactions"
    ] * 2


def test_service_over_some_features_leaves_the_check_to_the_whole_view(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    path = workplace.folder / "feature_repo/features.py"
    kept = path.read_text()
    path.write_text(
        kept.replace("features=[transaction_features]", 'features=[transaction_features[["amount"]]]')
    )
    workplace.shell("feast -c feature_repo apply")
    checked = workplace.shell(f"{MATERIALIZE} --full").stdout
    path.write_text(kept)
    workplace.shell("feast -c feature_repo apply")
    assert "✓ Sample feature retrieval successful" in checked


def test_interval_without_rows_is_an_error_that_names_the_newest(workplace: Any) -> None:
    failed = workplace.shell(
        f"{MATERIALIZE} --start 2020-01-01T00:00:00 --end 2020-01-02T00:00:00", check=False
    )
    assert failed.returncode == 1
    assert "No row of" in failed.stderr
    assert "newest row is of 20" in failed.stderr


def test_end_in_the_future_is_cut_at_now_and_said(
    first_run: subprocess.CompletedProcess[str], workplace: Any
) -> None:
    done = workplace.shell(f"{MATERIALIZE} --end 2099-01-01T00:00:00")
    assert "as asked; up to now, as 2099-01-01T00:00:00 lies in the future)" in done.stderr
    assert "materialized until: 2099" not in workplace.shell("python scripts/check_freshness.py").stdout


@pytest.mark.parametrize("arguments", ["", " --end 2100-01-01T00:00:00"])
def test_start_in_the_future_is_refused_with_status_2(workplace: Any, arguments: str) -> None:
    refused = workplace.shell(f"{MATERIALIZE} --start 2099-01-01T00:00:00{arguments}", check=False)
    assert refused.returncode == 2
    assert "--start is not before the end" in refused.stderr
    assert "rows in the future wait" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--start yesterday", "'yesterday' is no time such as"),
        (
            "--start 2026-11-02T00:00:00 --end 2026-11-01T00:00:00",
            "--start is not before the end, 2026-11-01T00:00:00+00:00\n",
        ),
        ("--hour 3", "unrecognized arguments"),
        ("--rollback --full", "--rollback stands alone"),
        ("--rollback --generations", "--generations stands alone"),
        ("--until 2026-11-02T00:00:00 --full", "--until stands alone"),
        ("--full --start 2026-11-02T00:00:00", "--full takes all that is not stale"),
    ],
)
def test_wrong_arguments_end_with_status_2_and_are_told(workplace: Any, arguments: str, said: str) -> None:
    refused = workplace.shell(f"{MATERIALIZE} {arguments}", check=False)
    assert refused.returncode == 2
    assert said in refused.stderr


@pytest.mark.parametrize("script", ["feast_setup", "feast_materialize", "test_feast"])
def test_without_cassandra_each_script_says_how_to_start_one(workplace: Any, script: str) -> None:
    failed = workplace.shell(f"CASSANDRA_PORT=1 python scripts/{script}.py", check=False)
    assert failed.returncode == 1
    assert "Cannot reach Cassandra at localhost:1" in failed.stderr
    assert "python scripts/start_cassandra.py" in failed.stderr


def test_empty_registry_says_to_apply(workplace: Any) -> None:
    registry = workplace.folder / "data/registry.db"
    kept = registry.read_bytes()
    registry.write_bytes(b"")
    failed = workplace.shell(MATERIALIZE, check=False)
    registry.write_bytes(kept)
    assert failed.returncode == 1
    assert "python scripts/feast_setup.py" in failed.stderr


def test_truncated_parquet_is_refused_and_stays(workplace: Any) -> None:
    path = workplace.folder / PARQUET
    kept = path.read_bytes()
    path.write_bytes(kept[:5000])
    failed = workplace.shell("python scripts/feast_setup.py", check=False)
    left = path.read_bytes()
    path.write_bytes(kept)
    assert failed.returncode == 1
    assert PARQUET in failed.stderr
    assert left == kept[:5000]
