from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from poc.comparison.row_layout import keeps_rows, merged, row_store_settings, row_store_yaml
from poc.settings import Settings

START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def hours(start: int, end: int) -> tuple[datetime, datetime]:
    return START + timedelta(hours=start), START + timedelta(hours=end)


def test_hourly_intervals_are_one() -> None:
    assert merged([hours(1, 2), hours(0, 1), hours(2, 3)]) == [hours(0, 3)]


def test_interval_within_another_adds_nothing() -> None:
    assert merged([hours(0, 9), hours(2, 3)]) == [hours(0, 9)]


def test_gap_between_intervals_stays() -> None:
    assert merged([hours(0, 1), hours(5, 6)]) == [hours(0, 1), hours(5, 6)]


def test_naive_times_are_utc() -> None:
    start, end = hours(0, 1)
    assert merged([(start.replace(tzinfo=None), end)]) == [(start, end)]


def test_project_yaml_with_the_row_store_in_place_is_the_one_in_stores(root: Path) -> None:
    repo = root / "feature_repo"
    found = row_store_yaml(Settings(_env_file=None, feast_repo_path=repo, data_dir=root / "data"))
    expected = yaml.safe_load((repo / "stores/rows.yaml").read_text())
    assert Path(found.pop("registry")) == (repo / expected.pop("registry")).resolve()
    assert found == expected


@pytest.mark.parametrize(("name", "rows"), [("feature_store.yaml", False), ("stores/rows.yaml", True)])
def test_yaml_with_the_row_store_is_told_from_another(root: Path, name: str, rows: bool) -> None:
    repo = root / "feature_repo"
    settings = Settings(_env_file=None, feast_repo_path=repo, feast_fs_yaml_file_path=repo / name)
    assert keeps_rows(settings) is rows


def test_settings_of_the_row_store_select_it_and_leave_no_file(root: Path) -> None:
    settings = Settings(_env_file=None, feast_repo_path=root / "feature_repo")
    with row_store_settings(settings) as beside:
        assert keeps_rows(beside)
        assert beside.feature_service == settings.feature_service
    assert not beside.feast_fs_yaml_file_path.exists()
