"""When a server may do without keys, and which it takes."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ports import free_port
from pydantic import SecretStr
from server_process import ROOT, ServerProcess

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


@pytest.mark.parametrize("mode", [0o440, 0o640, 0o400])
def test_file_of_another_user_may_be_read_by_its_group(
    file: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.chmod(mode)
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    keys = read_keys(settings(api_keys_file=file))
    assert keys is not None and keys.admit({b"x-api-key": KEY.encode()})


@pytest.mark.parametrize("mode", [0o444, 0o460, 0o441, 0o664])
def test_file_of_another_user_that_others_can_use_is_refused(
    file: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.chmod(mode)
    monkeypatch.setattr("os.geteuid", lambda: file.stat().st_uid + 1)
    with pytest.raises(InvalidSettings, match=f"let its owner say chmod 440 {file}"):
        read_keys(settings(api_keys_file=file))
    file.chmod(0o440)
    assert read_keys(settings(api_keys_file=file)) is not None


USER = 10001
# What a kubelet does: a file system of memory that only its own user writes, given to the pod's group.
MOUNTED = """#!/bin/sh
exec unshare --mount sh -c '
mount -t tmpfs -o mode=755 tmpfs {folder}
printf %s {key} > {folder}/keys && chown 0:{group} {folder}/keys && chmod {mode} {folder}/keys
mount -o remount,ro {folder}
exec setpriv --reuid {user} --regid {user} --clear-groups "$@"' sh {python} "$@"
"""


@pytest.fixture
def serving() -> Iterator[Callable[..., ServerProcess]]:
    """Start a server of the deployment's user, or of root, that has its keys from a mounted Secret."""
    call = [
        "unshare",
        "--mount",
        "setpriv",
        "--reuid",
        str(USER),
        "--clear-groups",
        "--",
        sys.executable,
        "-V",
    ]
    if shutil.which("setpriv") is None or subprocess.run(call, capture_output=True).returncode:
        pytest.skip("only root may mount, and be another user")

    def start(mode: str, user: int, group: int) -> ServerProcess:
        # Not in pytest's folder, which is of one user.
        folder = Path(stack.enter_context(TemporaryDirectory()))
        folder.chmod(0o755)
        (folder / "secret").mkdir()
        python = folder / "python"
        values = {"folder": folder / "secret", "key": KEY, "python": sys.executable}
        python.write_text(MOUNTED.format(**values, mode=mode, user=user, group=group))
        python.chmod(0o755)
        told = {"HOST": "0.0.0.0", "API_KEYS_FILE": f"{folder}/secret/keys", "HOME": str(folder)}
        told |= {"FEAST_REPO_PATH": str(ROOT / "feature_repo"), "PYTHONDONTWRITEBYTECODE": "1"}
        server = ServerProcess("poc/serve_model_feast.py", free_port(), told, folder, str(python))
        stack.callback(server.kill)
        return server

    with ExitStack() as stack:
        yield start


@pytest.mark.parametrize("user", [USER, 0], ids=["user", "root"])
def test_server_takes_the_keys_of_a_mounted_secret(serving: Callable[..., ServerProcess], user: int) -> None:
    server = serving("0440", user, USER)
    server.wait_until_live()
    assert server.client.get("/model").status_code == 401
    assert server.client.get("/model", headers={"X-API-Key": KEY}).status_code == 503


def test_server_refuses_a_mounted_secret_that_everybody_reads(serving: Callable[..., ServerProcess]) -> None:
    server = serving("0444", USER, USER)
    assert server.process.wait(60) == 2
    assert "defaultMode: 0440" in server.stderr.read_text()


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
