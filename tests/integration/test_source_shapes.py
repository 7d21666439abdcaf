"""Sources in the shapes that people have: packed, in many files, by a URL, written by pandas as it is."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

STEPS = """
python scripts/feast_setup.py
python scripts/feast_materialize.py --full --replace
python scripts/test_feast.py
python scripts/check_consistency.py
"""
DEFAULT = "data/credit_card_fraud_10k.parquet"


@pytest.fixture(scope="module")
def rows(workplace: Any) -> pd.DataFrame:
    """Three hundred payments with times of their own."""
    workplace.shell("python scripts/feast_setup.py")
    found = pd.read_parquet(workplace.folder / DEFAULT).drop_duplicates("transaction_id").head(300)
    (workplace.folder / DEFAULT).unlink()
    return found.reset_index(drop=True)


def parts(folder: Path, rows: pd.DataFrame) -> None:
    (folder / "data/parts").mkdir(exist_ok=True)
    for number in range(3):
        rows.iloc[number::3].to_parquet(folder / f"data/parts/{number}.parquet", coerce_timestamps="us")


SHAPES: dict[str, tuple[str, Callable[[Path, pd.DataFrame], object]]] = {
    "packed CSV": (DEFAULT, lambda at, rows: rows.to_csv(at / f"{DEFAULT[:-8]}.csv.gz", index=False)),
    "CSV in capitals": (
        DEFAULT,
        lambda at, rows: rows.to_csv(at / f"{DEFAULT[:-8]}.CSV", index=False, sep=";"),
    ),
    "pattern": ("data/parts/*.parquet", parts),
    "folder": ("data/parts", parts),
    "URL": ("file://{folder}/data/own.parquet", lambda at, rows: rows.to_parquet(at / "data/own.parquet")),
    "nanoseconds": (
        "data/nanos.parquet",
        lambda at, rows: rows.assign(
            timestamp=rows.timestamp.dt.as_unit("ns"),
            created_timestamp=rows.created_timestamp.dt.as_unit("ns"),
        ).to_parquet(at / "data/nanos.parquet"),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_source_is_prepared_materialized_and_read(workplace: Any, rows: pd.DataFrame, shape: str) -> None:
    path, write = SHAPES[shape]
    write(workplace.folder, rows)
    features = workplace.folder / "feature_repo/features.py"
    declared = features.read_text()
    named = path.replace("{folder}", str(workplace.folder))
    features.write_text(re.sub(r'path="data/credit_card_fraud_10k.parquet"', f'path="{named}"', declared))
    before = {file: file.stat().st_mtime_ns for file in (workplace.folder / "data").rglob("*.parquet")}
    try:
        done = workplace.shell(STEPS)
    finally:
        features.write_text(declared)
    assert "300 records" in done.stdout
    # Nobody's own file was written.
    assert {file: file.stat().st_mtime_ns for file in before} == before
    for file in (workplace.folder / "data").glob("credit_card_fraud_10k*"):
        file.unlink()
