"""A person's own file goes through every step; a bad one is refused and changes nothing."""

from typing import Any

import pytest
from ports import free_port

from poc.dataset.generate import generate_records
from poc.definitions import ServedFeatures

pytestmark = pytest.mark.all_records

CSV = "data/credit_card_fraud_10k.csv"
PARQUET = "data/credit_card_fraud_10k.parquet"


@pytest.fixture(scope="module")
def public_file(workplace: Any, definitions: ServedFeatures) -> str:
    """A file like the public one, with ids 1 to 10000, in data/; its text is given."""
    records = generate_records(definitions.feature_sets[0], 1, [str(number) for number in range(1, 10_001)])
    records.to_csv(workplace.folder / CSV, index=False)
    return (workplace.folder / CSV).read_text()


def test_public_file_goes_through_every_step(workplace: Any, public_file: str) -> None:
    for _ in range(2):
        prepared = workplace.shell("python scripts/feast_setup.py")
        assert "✓ Data prepared with 10,000 records" in prepared.stdout
        assert f"\n  Its times are made up, moments of the last weeks: {CSV} has none\n" in prepared.stderr
    assert "10,000 transactions" in workplace.shell("python scripts/feast_materialize.py").stderr
    assert workplace.shell("python scripts/test_feast.py").stdout.count("✓ Transaction") == 5
    assert "✓ Registered" in workplace.shell("python poc/train_fraud_model.py").stdout
    port = workplace.environment["PORT"] = str(free_port())
    with workplace.server("python poc/serve_model.py", f"http://localhost:{port}/ready") as client:
        first = client.post(f"http://localhost:{port}/predict", json={"transaction_id": "1"})
        missing = client.post(f"http://localhost:{port}/predict", json={"transaction_id": "12345"})
    assert first.json()["features"]["amount"] == float(public_file.splitlines()[1].split(",")[1])
    assert missing.status_code == 404
    assert (workplace.folder / CSV).read_text() == public_file


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("amount", "a lot", "amount"), ("amount", "", "amount"), ("transaction_id", "2", "transaction_id")],
)
def test_bad_file_is_refused_with_its_line_and_the_old_data_stays(
    workplace: Any, public_file: str, column: str, value: str, said: str
) -> None:
    before = (workplace.folder / PARQUET).read_bytes()
    header, first, *rest = public_file.splitlines()
    cells = first.split(",")
    cells[header.split(",").index(column)] = value
    (workplace.folder / CSV).write_text("\n".join([header, ",".join(cells), *rest]))
    refused = workplace.shell("python scripts/feast_setup.py", check=False)
    (workplace.folder / CSV).write_text(public_file)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "2" in refused.stderr  # The line, as an editor numbers it.
    assert (workplace.folder / PARQUET).read_bytes() == before


def test_missing_column_is_named(workplace: Any, public_file: str) -> None:
    (workplace.folder / CSV).write_text(public_file.replace("device_trust_score", "trust", 1))
    refused = workplace.shell("python scripts/feast_setup.py", check=False)
    (workplace.folder / CSV).write_text(public_file)
    assert refused.returncode == 1
    assert "no column device_trust_score" in refused.stderr


def test_times_under_another_name_are_named(workplace: Any, public_file: str) -> None:
    header, *rest = public_file.splitlines()
    timed = [f"{header},Timestamp", *(f"{line},2026-11-01T10:00:00Z" for line in rest)]
    (workplace.folder / CSV).write_text("\n".join(timed))
    refused = workplace.shell("python scripts/feast_setup.py", check=False)
    (workplace.folder / CSV).write_text(public_file)
    assert refused.returncode == 1
    assert "Rename Timestamp to timestamp" in refused.stderr


def test_other_file_for_the_same_transactions_replaces_what_is_served(
    workplace: Any, public_file: str, definitions: ServedFeatures
) -> None:
    workplace.shell("python scripts/feast_setup.py && python scripts/feast_materialize.py --replace")
    corrected = generate_records(
        definitions.feature_sets[0], 2, [str(number) for number in range(10_000, 0, -1)]
    )
    corrected.to_csv(workplace.folder / CSV, index=False)
    workplace.shell("python scripts/feast_setup.py && python scripts/feast_materialize.py --replace")
    checked = workplace.shell("python scripts/check_consistency.py").stdout
    assert checked.count("every value equal") == 2
    (workplace.folder / CSV).write_text(public_file)
