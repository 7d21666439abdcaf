from pathlib import Path

import pytest

from poc.errors import InvalidSettings
from poc.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without a .env."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_environment_goes_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    assert load_settings().port == 9000


def test_dotenv_file_is_read(nowhere: Path) -> None:
    (nowhere / ".env").write_text("MODEL_ALIAS=challenger\n")
    assert load_settings().model_alias == "challenger"


def test_hosts_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASSANDRA_HOSTS", "one, two")
    assert load_settings().cassandra_hosts == ("one", "two")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PORT", "eighty"),
        ("CASSANDRA_PORT", "70000"),
        ("FEATURE_TIMEOUT_SECONDS", "0"),
        ("CASSANDRA_HOSTS", " , "),
        ("STALE_FEATURES", "hide"),
    ],
)
def test_wrong_value_names_the_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidSettings, match=variable):
        load_settings()


def test_every_setting_says_what_it_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
