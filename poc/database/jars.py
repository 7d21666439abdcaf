"""Cassandra's jars: the list of them, and every one checked against it before it is used.

`cassandra_jars.txt` beside this file names each jar with its sha256; `scripts/lock_cassandra_jars.py`
writes it. Nothing is resolved at run time, so every machine runs the same bytes. jgo knows Maven's
repositories: where a jar is kept on this machine, and how it gets there.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import requests
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from poc.command_line import progress_console
from poc.errors import CacheNotWritable, JarDamaged, JarsUnavailable

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

ProgressCallback = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

LIST = Path(__file__).with_name("cassandra_jars.txt")
ROOT = "org.apache.cassandra:cassandra-all"
CHECKS_AT_ONCE = 4
DOWNLOADS_AT_ONCE = 8
ATTEMPTS = 3
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list; coordinates are `group:artifact:version`, or `...:classifier` behind that."""

    coordinates: str
    sha256: str
    size_bytes: int


def locked_jars(path: Path = LIST) -> tuple[Jar, ...]:
    """Read the list."""
    lines = (line.split() for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return tuple(Jar(coordinates, sha256, int(size)) for coordinates, sha256, size in lines)


def locked_version(path: Path = LIST) -> str:
    """Say which version of Cassandra the list is of."""
    root = next(jar for jar in locked_jars(path) if jar.coordinates.startswith(f"{ROOT}:"))
    return root.coordinates.split(":")[2]


def lock_jars(coordinates: str, path: Path = LIST) -> tuple[Jar, ...]:
    """Resolve what `group:artifact:version` needs at run time, and write it as the list."""
    files = sorted(_resolve(coordinates).items())
    jars = tuple(Jar(name, sha256_of(file), file.stat().st_size) for name, file in files)
    header = f"# {coordinates} and what it needs: coordinates, sha256, bytes. By lock_cassandra_jars.py."
    lines = [header, *(f"{jar.coordinates} {jar.sha256} {jar.size_bytes}" for jar in jars)]
    path.write_text("\n".join(lines) + "\n")
    return jars


def cassandra_jars(jars: Sequence[Jar] | None = None) -> tuple[Path, ...]:
    """Return the path of each jar, of the whole list by default, fetching those that are missing or damaged.

    They are kept in the local Maven repository. Nothing is shown where all are there; a download shows a
    progress bar on standard error.

    Raises:
        JarsUnavailable: a download failed, after retries.
        JarDamaged: what was downloaded is not what the list says; it is not kept.
        CacheNotWritable: the local Maven repository cannot be written.
    """
    if jars is None:
        jars = locked_jars()
    # M2_REPO, or jgo's configuration, or ~/.m2/repository.
    repository = Path(_context().repo_cache)
    paths = tuple(_path_in(repository, jar.coordinates) for jar in jars)
    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        intact = list(pool.map(_is_intact, jars, paths))
    missing = {jar.coordinates: jar for jar, is_good in zip(jars, intact, strict=True) if not is_good}

    def require_intact(coordinates: str, file: Path) -> None:
        expected, found = missing[coordinates].sha256, sha256_of(file)
        if found != expected:
            raise JarDamaged(coordinates, expected, found)

    if missing:
        _download(repository, {name: jar.size_bytes for name, jar in missing.items()}, require_intact)
    return paths


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file's content, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _is_intact(jar: Jar, path: Path) -> bool:
    try:
        return path.stat().st_size == jar.size_bytes and sha256_of(path) == jar.sha256
    except OSError:
        return False


def _download(repository: Path, sizes_bytes: Mapping[str, int], accept: Callable[[str, Path], None]) -> None:
    """Download jars into a local repository, several at once, with a progress bar on standard error.

    Files that are there are replaced. `accept` is called with coordinates and file of a jar before anybody
    can see it, and raises if it is not to be used.
    """
    total_bytes = sum(sizes_bytes.values())
    title = f"Downloading Cassandra: {len(sizes_bytes)} jars, {total_bytes / 1e6:.0f} MB, into {repository}"

    def fetch(coordinates: str) -> None:
        with _unavailable(coordinates):
            downloaded = _fetch(_artifact(context, coordinates))
        accept(coordinates, downloaded)
        path = _path_in(repository, coordinates)
        path.parent.mkdir(parents=True, exist_ok=True)
        downloaded.replace(path)

    try:
        repository.mkdir(parents=True, exist_ok=True)
        # Beside the place they go to, so that a finished jar is moved there in one step: neither a killed
        # download nor another one at the same moment is ever seen half done.
        staged = TemporaryDirectory(dir=repository, prefix=".download-", ignore_cleanup_errors=True)
        with staged as staging, _progress_bar(title, total_bytes) as progress:
            context = _context(Path(staging), progress)
            pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
            try:
                for future in [pool.submit(fetch, coordinates) for coordinates in sizes_bytes]:
                    future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    except OSError as error:
        raise CacheNotWritable(repository, str(error)) from error


def _resolve(coordinates: str) -> dict[str, Path]:
    """Find out what `coordinates` need, themselves included, and download what is not there."""
    import jgo

    with _unavailable(coordinates), ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
        artifacts = jgo.resolve(coordinates)
        files = list(pool.map(lambda artifact: Path(artifact.resolve()), artifacts))
    names = [(a.groupId, a.artifactId, a.version, a.classifier) for a in artifacts]
    return {":".join(filter(None, name)): file for name, file in zip(names, files, strict=True)}


def _context(repository: Path | None = None, progress: ProgressCallback | None = None) -> "MavenContext":
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext, PythonResolver

    settings = GlobalSettings.load()
    context = MavenContext(
        resolver=PythonResolver(progress_callback=progress),
        repo_cache=settings.repo_cache if repository is None else repository,
        timeout=TIMEOUT_SECONDS,
    )
    # A mirror that a person has configured for jgo comes first: Maven Central may be out of reach.
    context.remote_repos = {**settings.repositories, **context.remote_repos}
    return context


def _artifact(context: "MavenContext", coordinates: str) -> "Artifact":
    group, artifact, version, *classifier = coordinates.split(":")
    return context.project(group, artifact).at_version(version).artifact(*classifier)


def _path_in(repository: Path, coordinates: str) -> Path:
    """Name the file of a jar in a repository; it need not be there."""
    return Path(_artifact(_context(repository), coordinates).cached_path)


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
        raise JarsUnavailable(coordinates, str(error)) from error


@contextmanager
def _progress_bar(title: str, size_bytes: int) -> Iterator[ProgressCallback]:
    """Show one bar for all files; gives what jgo calls for each file with its name and size."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with progress_console() as console:
        console.print(title, highlight=False, soft_wrap=True)
        with Progress(*columns, console=console) as progress:
            task = progress.add_task("", total=size_bytes)

            @contextmanager
            def one_file(name: str, size: int) -> Iterator[Callable[[int], None]]:
                yield lambda count: progress.advance(task, count)

            yield one_file
