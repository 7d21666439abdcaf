"""The downloads come from a Maven repository of this test's own, which jgo's configuration names."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from poc.errors import CacheNotWritable, JarDamaged, JarsUnavailable
from poc.local_cassandra.jars import Jar, cassandra_jars, locked_jars, locked_version

CONTENT = b"the right bytes"
PLACE = Path("test/example/thing/1.0/thing-1.0.jar")
JAR = Jar("test.example:thing:1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and keeps the paths it was asked for."""

    asked: list[str]

    def log_message(self, format: str, *arguments: object) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """A Maven repository over HTTP that has the jar; its `asked` lists the requests."""
    served = tmp_path / "remote" / PLACE
    served.parent.mkdir(parents=True)
    served.write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "remote")))
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    use_repository(tmp_path, monkeypatch, f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.server_close()


def use_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    settings = tmp_path / "jgo.conf"
    settings.write_text(f"[repositories]\nmirror = {url}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "local"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("repository")
def test_a_missing_jar_is_downloaded_to_where_maven_keeps_it(tmp_path: Path) -> None:
    assert cassandra_jars([JAR]) == (tmp_path / "local" / PLACE,)
    assert (tmp_path / "local" / PLACE).read_bytes() == CONTENT


@pytest.mark.usefixtures("repository")
def test_a_download_leaves_nothing_else_behind(tmp_path: Path) -> None:
    cassandra_jars([JAR])
    assert [path.name for path in (tmp_path / "local").iterdir()] == ["test"]


def test_a_jar_that_is_there_is_not_downloaded_again(repository: ThreadingHTTPServer) -> None:
    cassandra_jars([JAR])
    repository.asked.clear()  # type: ignore[attr-defined]
    cassandra_jars([JAR])
    assert repository.asked == []  # type: ignore[attr-defined]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("damage", [b"", b"the right byte", b"the wrong bytes"])
def test_a_damaged_jar_is_fetched_anew(tmp_path: Path, damage: bytes) -> None:
    (path,) = cassandra_jars([JAR])
    path.write_bytes(damage)
    cassandra_jars([JAR])
    assert path.read_bytes() == CONTENT


@pytest.mark.usefixtures("repository")
def test_a_download_with_another_content_is_refused_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "remote" / PLACE).write_bytes(b"the wrong bytes")
    with pytest.raises(JarDamaged, match=JAR.sha256):
        cassandra_jars([JAR])
    assert not (tmp_path / "local" / PLACE).exists()


def test_a_repository_out_of_reach_is_an_error_that_names_the_jar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_repository(tmp_path, monkeypatch, "http://127.0.0.1:9")
    with pytest.raises(JarsUnavailable, match=r"test\.example:thing:1\.0"):
        cassandra_jars([JAR])


@pytest.mark.usefixtures("repository")
def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("M2_REPO", str(tmp_path / "file" / "local"))
    with pytest.raises(CacheNotWritable, match="file/local"):
        cassandra_jars([JAR])


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user whom the system does not know, as containers have them, and no HOME."""

    def unknown(user: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {user}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    for name in ("HOME", "M2_REPO", "JGO_CONFIG_FILE", "JGO_CACHE_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("homeless")
def test_user_without_a_home_folder_is_told_what_to_set() -> None:
    with pytest.raises(CacheNotWritable, match="HOME is not set") as told:
        cassandra_jars([JAR])
    assert "\n" not in told.value.what
    assert "Set M2_REPO" in told.value.way_out


@pytest.mark.usefixtures("homeless")
def test_user_without_a_home_folder_needs_no_more_than_m2_repo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    (tmp_path / PLACE).parent.mkdir(parents=True)
    (tmp_path / PLACE).write_bytes(CONTENT)
    assert cassandra_jars([JAR]) == (tmp_path / PLACE,)


def test_the_list_names_every_jar_once() -> None:
    names = [jar.coordinates for jar in locked_jars()]
    assert len(names) == len(set(names)) == 100


def test_the_list_is_of_the_version_that_docker_compose_runs() -> None:
    compose = Path(__file__).parents[3] / "docker-compose.yml"
    assert f"image: cassandra:{locked_version()}\n" in compose.read_text()
