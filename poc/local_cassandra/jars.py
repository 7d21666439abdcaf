"""Cassandra's jars: the list of them, and every one checked against it before it is used.

`cassandra_jars.txt` beside this file names each jar with its sha256; `scripts/lock_cassandra_jars.py`
writes it. Nothing is resolved at run time, so every machine runs the same bytes. jgo knows Maven's
repositories: where a jar is kept on this machine, and how it gets there.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import requests
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from poc.errors import CacheNotWritable, JarDamaged, JarsUnavailable

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

LIST = Path(__file__).with_name("cassandra_jars.txt")
ROOT = "org.apache.cassandra:cassandra-all"
DOWNLOADS_AT_ONCE = 8
ATTEMPTS = 3
TIMEOUT_SECONDS = 30
NO_HOME = "Nothing says where to keep Cassandra's jars: HOME is not set, and this user has no home folder"


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list; coordinates are `group:artifact:version`, or `...:classifier` behind that."""

    coordinates: str
    sha256: str
    size_bytes: int


def locked_jars() -> tuple[Jar, ...]:
    """Read the list."""
    lines = (line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(Jar(coordinates, sha256, int(size)) for coordinates, sha256, size in lines)


def locked_version() -> str:
    """Return the version of Cassandra that the list is of."""
    root = next(jar for jar in locked_jars() if jar.coordinates.startswith(f"{ROOT}:"))
    return root.coordinates.split(":")[2]


def lock_jars(coordinates: str) -> tuple[Jar, ...]:
    """Resolve what `group:artifact:version` needs at run time, itself included, and write it as the list."""
    import jgo

    with _unavailable(coordinates), ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        artifacts = jgo.resolve(coordinates)
        files = list(pool.map(lambda artifact: Path(artifact.resolve()), artifacts))
    names = [":".join(filter(None, (a.groupId, a.artifactId, a.version, a.classifier))) for a in artifacts]
    placed = sorted(zip(names, files, strict=True))
    jars = tuple(Jar(name, _sha256(file), file.stat().st_size) for name, file in placed)
    header = f"# {coordinates} and what it needs: coordinates, sha256, bytes. By lock_cassandra_jars.py."
    lines = [header, *(f"{jar.coordinates} {jar.sha256} {jar.size_bytes}" for jar in jars)]
    LIST.write_text("\n".join(lines) + "\n")
    return jars


def cassandra_jars(jars: Sequence[Jar] | None = None) -> tuple[Path, ...]:
    """Return the path of each jar, of the whole list by default, fetching those that are missing or damaged.

    They are kept in the local Maven repository. Nothing is shown where all are there; a download shows a
    progress bar on standard error.

    Raises:
        JarsUnavailable: a download failed, after retries.
        JarDamaged: what was downloaded is not what the list says; it is not kept.
        CacheNotWritable: the local Maven repository cannot be written, or nothing says where it is.
    """
    if jars is None:
        jars = locked_jars()
    context = _context()
    paths = tuple(Path(_artifact(context, jar.coordinates).cached_path) for jar in jars)
    missing = {jar: path for jar, path in zip(jars, paths, strict=True) if not _is_intact(jar, path)}
    if missing:
        _download(Path(context.repo_cache), missing)
    return paths


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _is_intact(jar: Jar, path: Path) -> bool:
    try:
        return path.stat().st_size == jar.size_bytes and _sha256(path) == jar.sha256
    except OSError:
        return False


def _download(repository: Path, jars: Mapping[Jar, Path]) -> None:
    """Download jars to their places in a local repository, several at once; what is there is replaced."""
    total_bytes = sum(jar.size_bytes for jar in jars)
    title = f"Downloading Cassandra: {len(jars)} jars, {total_bytes / 1e6:.0f} MB, into {repository}"
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())

    def fetch(jar: Jar) -> None:
        with _unavailable(jar.coordinates):
            downloaded = _fetch(_artifact(context, jar.coordinates))
        found = _sha256(downloaded)
        if found != jar.sha256:
            said = f"has sha256 {found}, not {jar.sha256}; it is not used"
            raise JarDamaged(f"The downloaded {jar.coordinates} {said}")
        jars[jar].parent.mkdir(parents=True, exist_ok=True)
        downloaded.replace(jars[jar])
        progress.advance(task, jar.size_bytes)

    try:
        repository.mkdir(parents=True, exist_ok=True)
        # Beside the place they go to, so that a finished jar is moved there in one step: neither a killed
        # download nor another one at the same moment is ever seen half done.
        staged = TemporaryDirectory(dir=repository, prefix=".download-", ignore_cleanup_errors=True)
        console = Console(stderr=True)
        console.print(title, highlight=False, soft_wrap=True)
        with staged as folder, Progress(*columns, console=console) as progress:
            context, task = _context(Path(folder)), progress.add_task("", total=total_bytes)
            pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
            try:
                list(pool.map(fetch, jars))
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    except OSError as error:
        raise CacheNotWritable(f"Cannot keep Cassandra's jars in {repository}: {error}") from error


def _context(repository: Path | None = None) -> "MavenContext":
    """Open what knows Maven's repositories, and `repository` here: by default jgo's, or that of M2_REPO."""
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    try:
        settings = GlobalSettings.load()
        kept, mirrors = settings.repo_cache, settings.repositories
    except RuntimeError as error:
        # It looks for its configuration in the home folder. What the environment says holds without one.
        if not os.environ.get("M2_REPO"):
            raise CacheNotWritable(NO_HOME) from error
        kept, mirrors = Path(os.environ["M2_REPO"]), {}
    resolver = PythonResolver()
    context = MavenContext(resolver=resolver, repo_cache=repository or kept, timeout=TIMEOUT_SECONDS)
    # A mirror that a person has configured for jgo comes first: Maven Central may be out of reach.
    context.remote_repos = {**mirrors, **context.remote_repos}
    return context


def _artifact(context: "MavenContext", coordinates: str) -> "Artifact":
    group, artifact, version, *classifier = coordinates.split(":")
    return context.project(group, artifact).at_version(version).artifact(*classifier)


@retry(
    retry=retry_if_exception_type(requests.RequestException),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _fetch(artifact: "Artifact") -> Path:
    # jgo refuses to write over what an attempt before this one has left.
    Path(artifact.cached_path).unlink(missing_ok=True)
    return Path(artifact.resolve())


@contextmanager
def _unavailable(coordinates: str) -> Iterator[None]:
    try:
        yield
    except (requests.RequestException, RuntimeError) as error:
        raise JarsUnavailable(f"Cannot download {coordinates}: {error}") from error
