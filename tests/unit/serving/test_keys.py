"""When a server may do without keys, and which it takes."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from poc.errors import ApiKeysMissing, InvalidSettings
from poc.serving.keys import read_keys, require_keys
from poc.settings import Settings

KEY = "0123456789abcdef"
LOOPBACK = ["127.0.0.1", "127.1.2.3", "::1"]
BEYOND = ["0.0.0.0", "::", "192.0.2.1", "fd00::1"]


def settings(**said: object) -> Settings:
    return Settings(_env_file=None, **said)


@pytest.mark.parametrize("address", LOOPBACK)
def test_this_machine_alone_needs_no_keys(address: str) -> None:
    require_keys(settings(), address)
    assert read_keys(settings()) is None


@pytest.mark.parametrize("address", BEYOND)
def test_other_machines_need_keys_or_the_word(address: str) -> None:
    with pytest.raises(ApiKeysMissing, match=r"HOST=0\.0\.0\.0") as refused:
        require_keys(settings(host="0.0.0.0"), address)
    assert refused.value.exit_status == 2
    assert "API_KEYS=off" in refused.value.way_out
    require_keys(settings(host="0.0.0.0", api_keys=SecretStr("Off")), address)
    require_keys(settings(host="0.0.0.0", api_keys=SecretStr(KEY)), address)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"\n{KEY}\n  another-key-of-somebody \n")
    path.chmod(0o600)
    return path


def test_file_holds_a_key_a_line(file: Path) -> None:
    keys = read_keys(settings(api_keys_file=file))
    assert keys is not None
    for key in (KEY, "another-key-of-somebody"):
        assert keys.admit({b"x-api-key": key.encode()})
    assert not keys.admit({b"x-api-key": b""})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_file_that_others_can_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(InvalidSettings, match=f"chmod 600 {file}"):
        read_keys(settings(api_keys_file=file))


def test_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="No such file"):
        read_keys(settings(api_keys_file=tmp_path / "none"))


@pytest.mark.parametrize("said", ["secret", f"{KEY},short", ",", "true"])
def test_key_that_can_be_guessed_is_refused_and_not_shown(said: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        read_keys(settings(api_keys=SecretStr(said)))
    assert said not in refused.value.what or said == ","


def test_keys_are_in_no_text_of_the_settings() -> None:
    assert KEY not in repr(settings(api_keys=SecretStr(KEY)))
