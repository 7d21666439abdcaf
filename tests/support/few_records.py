"""Transactions as setup generates them, but fewer: what is not about their number takes less time."""

import functools
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from poc.dataset import generate
from poc.dataset.generate import SAMPLES
from poc.dataset.prepare import check_dataset, write_dataset
from poc.repository import declared_service
from poc.settings import Settings

# Enough for frauds in each part that training takes.
RECORDS = 2_000
# The guide's samples have an older record each.
TRANSACTIONS = RECORDS - len(SAMPLES)


def put_few_records(project: Path) -> None:
    """Put a prepared file into a copy of the project; its setup finds it made, and keeps it."""
    name, content = _prepared()
    (project / "data").mkdir(exist_ok=True)
    (project / "data" / name).write_bytes(content)


@functools.cache
def _prepared() -> tuple[str, bytes]:
    root = Path(__file__).parents[2]
    served = declared_service(Settings(_env_file=None, feast_repo_path=root / "feature_repo"))
    [definitions] = served.feature_sets
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "RECORDS", RECORDS)
        path = Path(folder) / definitions.source_path.name
        own = replace(definitions, source_path=path)
        write_dataset(check_dataset(own, path.parent, datetime.now(timezone.utc)))
        return path.name, path.read_bytes()
