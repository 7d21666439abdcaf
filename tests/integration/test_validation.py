"""Validation where it matters: stores that are served from, a model that was trained, and then bad data.

The scripts as a person runs them, and `feast validate` of feast 0.38.0 in the environment that has Great
Expectations, in a copy of the project on a real Cassandra.
"""

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from feast.protos.feast.types.Value_pb2 import Value
from stock_keys import stock_key

from poc.dataset.generate import generate_records
from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures
from poc.online_store.session import SCHEMA, Session

CSV = "data/credit_card_fraud_10k.csv"
PARQUET = "data/credit_card_fraud_10k.parquet"
LOGGED = 1000
MATERIALIZE = "python scripts/feast_materialize.py"
STOCK = "feast_online_store.ml_platform_poc_transaction_features"
DIRECT = "ml_features.transaction_features"


@pytest.fixture(scope="module")
def served(workplace: Any) -> None:
    workplace.shell("python scripts/feast_setup.py")
    workplace.shell(MATERIALIZE)
    workplace.shell("python poc/train_fraud_model.py")


@pytest.fixture(scope="module")
def saved(served: None, workplace: Any, root: Path) -> "subprocess.CompletedProcess[str]":
    """A reference for `feast validate`, saved from what the stores were filled with."""
    environment = root / ".validation-venv"
    assert environment.is_dir(), "run scripts/install_test_packages.sh"
    (workplace.folder / ".validation-venv").symlink_to(environment)
    return workplace.shell(".validation-venv/bin/python scripts/save_reference.py")


def log_and_validate(workplace: Any) -> "subprocess.CompletedProcess[str]":
    """Log what is served now, and validate that with the command that the script names."""
    logged = workplace.shell(f"python scripts/log_features.py --transactions {LOGGED}")
    done = workplace.shell(logged.stderr.split("Next: ")[1], check=False)
    done.stdout = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return done


def test_reference_expects_what_the_tags_say(saved: "subprocess.CompletedProcess[str]") -> None:
    assert "✓ Saved dataset training_data and reference training_reference with 22" in saved.stdout


def test_features_as_they_were_trained_on_are_valid(
    saved: "subprocess.CompletedProcess[str]", workplace: Any
) -> None:
    done = log_and_validate(workplace)
    assert done.returncode == 0, done.stderr
    assert f"{LOGGED} rows were validated." in done.stdout
    assert "Validation successful!" in done.stdout


def test_served_value_that_breaks_a_rule_fails_the_validation(
    saved: "subprocess.CompletedProcess[str]",
    workplace: Any,
    session: Session,
    definitions: ServedFeatures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(workplace.folder)
    [*_, (logged,)] = sample_keys(definitions, LOGGED)
    session.execute(
        f"UPDATE {STOCK} SET value = %s WHERE entity_key = %s AND feature_name = 'amount'",
        (Value(double_val=-5.0).SerializeToString(), stock_key(transaction_id=logged)),
    )
    done = log_and_validate(workplace)
    assert done.returncode == 1
    assert "Validation failed!" in done.stdout
    assert "transaction_features__amount" in done.stdout
    assert '"unexpected_count": 1,' in done.stdout


def test_environment_without_great_expectations_says_which_one_has_it(
    saved: "subprocess.CompletedProcess[str]", workplace: Any
) -> None:
    refused = workplace.shell("python scripts/save_reference.py", check=False)
    assert refused.returncode == 1
    assert "scripts/install_apart.sh validation" in refused.stderr


def test_registry_with_a_reference_is_applied_and_planned_as_before(
    saved: "subprocess.CompletedProcess[str]", workplace: Any
) -> None:
    assert "No changes to registry" in workplace.shell("feast -c feature_repo plan").stdout
    workplace.shell("python scripts/feast_setup.py")


@pytest.fixture
def records(served: None, definitions: ServedFeatures) -> pd.DataFrame:
    """A batch like the data that the model was trained on."""
    return generate_records(definitions.feature_sets[0], 3, [f"new-{number}" for number in range(1, 3001)])


@pytest.fixture
def put(workplace: Any) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Puts a person's file into data/, and takes it away afterwards."""
    path = workplace.folder / CSV
    yield lambda records: records.to_csv(path, index=False)
    path.unlink(missing_ok=True)


def everything_served(session: Session) -> list[tuple[object, ...]]:
    """Every value in both stores, with the time at which it was written."""
    stock = session.execute(
        f"SELECT entity_key, feature_name, value, event_ts, writetime(value) FROM {STOCK}",
        execution_profile=SCHEMA,
    )
    direct = session.execute(f"SELECT * FROM {DIRECT}", execution_profile=SCHEMA)
    return sorted((tuple(row) for rows in (stock, direct) for row in rows), key=repr)


def nulls(records: pd.DataFrame) -> pd.DataFrame:
    return records.assign(device_trust_score=records["device_trust_score"].where(records.index % 3 > 0))


def duplicates(records: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([records, records.head(200)])


def dearer(records: pd.DataFrame) -> pd.DataFrame:
    return records.assign(amount=records["amount"] * 6)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (nulls, r"device_trust_score: missing in 1,000 rows \(line 2, line 5, line 8, \.\.\.\)"),
        (duplicates, r"transaction_id: repeated in 400 rows"),
        (dearer, r"amount: PSI \d\.\d+ \(limit 0\.25\), most at above"),
    ],
)
def test_bad_batch_is_refused_and_the_old_values_stay(
    workplace: Any,
    session: Session,
    records: pd.DataFrame,
    put: Callable[[pd.DataFrame], None],
    spoil: Callable[[pd.DataFrame], pd.DataFrame],
    said: str,
) -> None:
    before, parquet = everything_served(session), (workplace.folder / PARQUET).read_bytes()
    put(spoil(records))
    refused = workplace.shell(MATERIALIZE, check=False)
    assert refused.returncode == 1
    assert re.search(said, refused.stderr), refused.stderr
    assert "nothing was changed" in refused.stderr
    assert everything_served(session) == before
    assert (workplace.folder / PARQUET).read_bytes() == parquet


def test_setup_refuses_a_drifted_file_too(
    workplace: Any, records: pd.DataFrame, put: Callable[[pd.DataFrame], None]
) -> None:
    parquet = (workplace.folder / PARQUET).read_bytes()
    put(dearer(records))
    refused = workplace.shell("python scripts/feast_setup.py", check=False)
    assert refused.returncode == 1
    assert "--accept-drift" in refused.stderr
    assert (workplace.folder / PARQUET).read_bytes() == parquet


def test_validation_reports_the_drift_and_writes_nothing(
    workplace: Any, records: pd.DataFrame, put: Callable[[pd.DataFrame], None]
) -> None:
    put(dearer(records))
    report = Path(workplace.folder, "drift.json")
    found = workplace.shell("python scripts/validate_features.py --json drift.json", check=False)
    assert found.returncode == 1
    assert re.search(r"^amount +\d\.\d{3} +0\.25 +drifted", found.stdout, flags=re.MULTILINE)
    assert "✗ amount drifted from what fraud_detection version 1 was trained on" in found.stdout
    [view] = json.loads(report.read_text())["views"]
    verdicts = {item["feature"]: item["verdict"] for item in view["drift"]["features"]}
    assert [name for name, verdict in verdicts.items() if verdict == "drifted"] == ["amount"]


def test_meant_change_is_taken_and_is_normal_after_the_next_training(
    workplace: Any, records: pd.DataFrame, put: Callable[[pd.DataFrame], None], session: Session
) -> None:
    put(dearer(records))
    taken = workplace.shell(f"{MATERIALIZE} --accept-drift --replace && python poc/train_fraud_model.py")
    assert "amount drifted" in taken.stderr
    online = session.execute(f"SELECT amount FROM {DIRECT} WHERE transaction_id = 'new-1'").one()
    assert online.amount == records["amount"][0] * 6
    checked = workplace.shell("python scripts/validate_features.py")
    assert "✓ No feature drifted from what fraud_detection version 2 was trained on" in checked.stdout


def test_missing_reference_is_said_and_nothing_is_refused(
    workplace: Any, records: pd.DataFrame, put: Callable[[pd.DataFrame], None]
) -> None:
    put(dearer(dearer(records)))
    name = "training_reference.fraud_detection@champion.json"
    (workplace.folder / "data" / name).unlink()
    line = f"  No training reference in data/{name}: drift is not checked. "
    checked = workplace.shell("python scripts/validate_features.py")
    materialized = workplace.shell(f"{MATERIALIZE} --replace")
    for done in (checked, materialized):
        [said] = [said for said in done.stderr.splitlines() if said.startswith(line)]
        assert "python poc/train_fraud_model.py" in said
