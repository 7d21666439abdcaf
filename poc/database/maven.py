"""Maven's repositories, through jgo: where a jar is kept on this machine, and how it gets there.

Knows downloads, retries and the progress bar. Which jars, and whether one is the right one, is for `jars`.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from poc.command_line import progress_console
from poc.errors import CacheNotWritable, JarsUnavailable

if TYPE_CHECKING:
    from jgo.maven import Artifact, MavenContext

ProgressCallback = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]

DOWNLOADS_AT_ONCE = 8
ATTEMPTS = 3
TIMEOUT_SECONDS = 30


def local_repository() -> Path:
    """Name the folder that Maven keeps jars in: M2_REPO, or jgo's configuration, or `~/.m2/repository`."""
    return Path(_context().repo_cache)


def path_in_repository(repository: Path, coordinates: str) -> Path:
    """Name the file of `group:artifact:version[:classifier]` in a repository; it need not be there."""
    return Path(_artifact(_context(repository), coordinates).cached_path)


def download(repository: Path, sizes_bytes: Mapping[str, int], accept: Callable[[str, Path], None]) -> None:
    """Download jars into a local repository, several at once, with a progress bar on standard error.

    Args:
        repository: the folder; made where it is not there. Files that are there are replaced.
        sizes_bytes: the jars' coordinates and sizes; the sizes are for the bar.
        accept: called with coordinates and file of a jar before anybody can see it, and raises if it is not
            to be used.

    Raises:
        JarsUnavailable: a download failed, after retries.
        CacheNotWritable: the folder cannot be written.
    """
    total_bytes = sum(sizes_bytes.values())
    title = f"Downloading Cassandra: {len(sizes_bytes)} jars, {total_bytes / 1e6:.0f} MB, into {repository}"

    def fetch(coordinates: str) -> None:
        downloaded = _fetch(context, coordinates)
        accept(coordinates, downloaded)
        path = path_in_repository(repository, coordinates)
        path.parent.mkdir(parents=True, exist_ok=True)
        downloaded.replace(path)

    try:
        repository.mkdir(parents=True, exist_ok=True)
        # Beside the place they go to, so that a finished jar is moved there in one step: neither a killed
        # download nor another one at the same moment is ever seen half done.
        with (
            tempfile.TemporaryDirectory(
                dir=repository, prefix=".download-", ignore_cleanup_errors=True
            ) as staging,
            _progress_bar(title, total_bytes) as progress,
        ):
            context = _context(Path(staging), progress)
            pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
            try:
                for future in [pool.submit(fetch, coordinates) for coordinates in sizes_bytes]:
                    future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
    except OSError as error:
        raise CacheNotWritable(repository, str(error)) from error


def resolve(coordinates: str) -> dict[str, Path]:
    """Find out what `group:artifact:version` needs at run time, itself included: coordinates and files.

    What is not in the local repository is downloaded.

    Raises:
        JarsUnavailable: something cannot be resolved or downloaded.
    """
    import jgo

    try:
        artifacts = jgo.resolve(coordinates)
        with ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool:
            files = list(pool.map(lambda artifact: Path(artifact.resolve()), artifacts))
    except (requests.RequestException, RuntimeError) as error:
        raise JarsUnavailable(coordinates, str(error)) from error
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


def _fetch(context: "MavenContext", coordinates: str) -> Path:
    try:
        return _fetch_with_retries(_artifact(context, coordinates))
    except (requests.RequestException, RuntimeError) as error:
        raise JarsUnavailable(coordinates, str(error)) from error


@retry(
    retry=retry_if_exception_type(requests.RequestException),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_exponential(multiplier=0.5, max=5),
    reraise=True,
)
def _fetch_with_retries(artifact: "Artifact") -> Path:
    # jgo refuses to write over what an attempt before this one has left.
    Path(artifact.cached_path).unlink(missing_ok=True)
    return Path(artifact.resolve())


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
