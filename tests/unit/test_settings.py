import pickle
from pathlib import Path
from urllib.request import proxy_bypass

import pytest

from poc.errors import InvalidSettings
from poc.settings import Settings, load_settings, require_fitting


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


def test_dotenv_file_of_another_encoding_is_named_with_its_line(nowhere: Path) -> None:
    (nowhere / ".env").write_bytes("MODEL_ALIAS=challenger\n# für alle\n".encode("latin-1"))
    with pytest.raises(InvalidSettings, match=r"^\.env is not UTF-8 \(line 2\)") as refused:
        load_settings()
    assert "\n" not in refused.value.what


def test_first_line_of_a_dotenv_file_counts_behind_a_byte_order_mark(nowhere: Path) -> None:
    (nowhere / ".env").write_text("MODEL_ALIAS=challenger\n", encoding="utf-8-sig")
    assert load_settings().model_alias == "challenger"


def test_dotenv_file_that_cannot_be_read_is_named(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (nowhere / ".env").touch()

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("dotenv.main.open", refuse, raising=False)
    with pytest.raises(InvalidSettings, match=r"^\.env cannot be read: Permission denied"):
        load_settings()


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
        ("MODEL_NAME", "a/b"),
        ("MODEL_ALIAS", "latest"),
        ("MODEL_ALIAS", "v1"),
        ("MODEL_ALIAS", "a b"),
        ("DIRECT_KEYSPACE", "ml-features"),
        ("DIRECT_KEYSPACE", "system"),
        ("DIRECT_KEYSPACE", "System_Schema"),
    ],
)
def test_wrong_value_is_told_to_who_reads_it_by_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    settings = load_settings()
    assert settings.data_dir == Path("data")
    with pytest.raises(InvalidSettings, match=f"{variable}={value!r}"):
        getattr(settings, variable.lower())
    with pytest.raises(InvalidSettings, match=variable):
        require_fitting(settings)
    require_fitting(settings, variable.lower())
    with pytest.raises(InvalidSettings, match=variable):
        getattr(pickle.loads(pickle.dumps(settings)), variable.lower())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_empty_is_unset(monkeypatch: pytest.MonkeyPatch, nowhere: Path, name: str) -> None:
    monkeypatch.setenv(name.upper(), "")
    assert load_settings() == Settings(_env_file=None)
    monkeypatch.delenv(name.upper())
    (nowhere / ".env").write_text(f"{name.upper()}=\n")
    assert load_settings() == Settings(_env_file=None)


@pytest.mark.parametrize(
    ("variable", "value", "meant"),
    [
        ("LOG_LEVEL", "info", "INFO"),
        ("LOG_LEVEL", "Debug", "DEBUG"),
        ("CONSOLE", "true", "on"),
        ("CONSOLE", "OFF", "off"),
        ("CONSOLE", "0", "off"),
        ("STALE_FEATURES", "Refuse", "refuse"),
        ("FEATURE_DRIVER", "ACSYLLA", "acsylla"),
    ],
)
def test_words_are_taken_in_any_case(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, meant: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert getattr(load_settings(), variable.lower()) == meant


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if name.endswith("port")])
def test_address_that_kubernetes_puts_there_is_nobodys_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name.upper(), "tcp://10.0.0.5:9042")
    assert load_settings() == Settings(_env_file=None)


def test_no_proxy_comes_between_parts_on_one_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.org")
    monkeypatch.delenv("no_proxy", raising=False)
    load_settings()
    assert proxy_bypass("localhost")
    assert proxy_bypass("127.0.0.1")
    assert proxy_bypass("example.org")
    assert not proxy_bypass("example.com")


def test_every_setting_says_what_it_does() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
