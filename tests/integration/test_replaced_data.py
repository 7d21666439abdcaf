"""Whatever becomes of the data, the steps of `make poc` make every store what the data is, and end well."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from replaced_rows import replace_rows

STEPS = """
python scripts/feast_setup.py
python scripts/feast_materialize.py --replace
python scripts/test_feast.py
python scripts/check_consistency.py
"""
COMPARE = "python scripts/compare_feast_cassandra.py --requests 20 --batch-sizes 1 --json c.json --plot c.png"
ROWS = f"export FEAST_FS_YAML_FILE_PATH=feature_repo/stores/rows.yaml\n{STEPS}"


def take_steps(workplace: Any) -> None:
    """Set up, fill, read, hold online to offline, on both layouts; compare all ways of reading."""
    workplace.shell(STEPS + COMPARE)
    workplace.shell(ROWS)


def retype(workplace: Any) -> None:
    path = workplace.folder / "feature_repo/features.py"
    text = path.read_text()
    declared = re.search(r'name="device_trust_score",\s*dtype=Int64', text)
    assert declared is not None
    path.write_text(text.replace(declared[0], declared[0].replace("Int64", "Float64")))
    replace_rows(workplace.folder, lambda rows: rows.assign(device_trust_score=rows.device_trust_score + 0.5))


CHANGES: dict[str, Callable[[Any], None]] = {
    "corrected at the same times": lambda at: replace_rows(
        at.folder, lambda rows: rows.assign(amount=rows.amount + 1)
    ),
    "of older times": lambda at: replace_rows(
        at.folder, lambda rows: rows.assign(timestamp=rows.timestamp - pd.Timedelta(days=5))
    ),
    "smaller": lambda at: replace_rows(at.folder, lambda rows: rows.iloc[: len(rows) // 2]),
    "with a feature of another type": retype,
}


@pytest.fixture(scope="module", autouse=True)
def filled(workplace: Any) -> None:
    take_steps(workplace)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.fault(
    "Data",
    "the data replaced: other values, fewer rows, older times, another type",
    "the same steps make the online stores equal to it",
)
def test_data_that_is_replaced_is_served_and_compared_after_the_same_steps(
    workplace: Any, change: str
) -> None:
    CHANGES[change](workplace)
    take_steps(workplace)


@pytest.mark.fault(
    "Data",
    "a second clone with other data on the same Cassandra",
    "each materialization makes the stores its own",
)
def test_second_clone_with_other_data_takes_over_and_the_first_takes_back(
    workplace: Any, copy_project: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = copy_project(tmp_path / "second")
    for yaml in ("feature_store.yaml", "stores/rows.yaml"):
        text = (workplace.folder / "feature_repo" / yaml).read_text()
        (folder / "feature_repo" / yaml).write_text(text)
    second = replace(workplace, folder=folder)
    second.shell("python scripts/feast_setup.py")
    replace_rows(second.folder, lambda rows: rows.assign(amount=rows.amount * 2))
    take_steps(second)
    take_steps(workplace)
