"""Cassandra's jars: the list of them, and every one checked against it before it is used.

`cassandra_jars.txt` beside this file names each jar with its sha256; `scripts/lock_cassandra_jars.py`
writes it. Nothing is resolved at run time, so every machine runs the same bytes.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from poc.database.maven import download, local_repository, path_in_repository, resolve
from poc.errors import JarDamaged

LIST = Path(__file__).with_name("cassandra_jars.txt")
ROOT = "org.apache.cassandra:cassandra-all"
CHECKS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the list.

    Attributes:
        coordinates: `group:artifact:version`, and `:classifier` where there is one.
        sha256: of the file, hexadecimal.
        size_bytes: of the file.
    """

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
    """Resolve what `group:artifact:version` needs at run time, and write it as the list.

    Raises:
        JarsUnavailable: something cannot be resolved or downloaded.
    """
    files = sorted(resolve(coordinates).items())
    jars = tuple(Jar(name, sha256_of(file), file.stat().st_size) for name, file in files)
    header = f"# {coordinates} and what it needs: coordinates, sha256, bytes. By lock_cassandra_jars.py."
    lines = [header, *(f"{jar.coordinates} {jar.sha256} {jar.size_bytes}" for jar in jars)]
    path.write_text("\n".join(lines) + "\n")
    return jars


def cassandra_jars(jars: Sequence[Jar] | None = None) -> tuple[Path, ...]:
    """Give the path of each jar, of the whole list by default, fetching those that are missing or damaged.

    They are kept in the local Maven repository. Nothing is shown where all are there; a download shows a
    progress bar on standard error.

    Raises:
        JarsUnavailable: a download failed, after retries.
        JarDamaged: what was downloaded is not what the list says; it is not kept.
        CacheNotWritable: the local Maven repository cannot be written.
    """
    if jars is None:
        jars = locked_jars()
    repository = local_repository()
    paths = tuple(path_in_repository(repository, jar.coordinates) for jar in jars)
    with ThreadPoolExecutor(CHECKS_AT_ONCE) as pool:
        intact = list(pool.map(_is_intact, jars, paths))
    missing = {jar.coordinates: jar for jar, is_good in zip(jars, intact, strict=True) if not is_good}

    def require_intact(coordinates: str, file: Path) -> None:
        expected, found = missing[coordinates].sha256, sha256_of(file)
        if found != expected:
            raise JarDamaged(coordinates, expected, found)

    if missing:
        download(repository, {name: jar.size_bytes for name, jar in missing.items()}, require_intact)
    return paths


def sha256_of(path: Path) -> str:
    """Give the sha256 of a file's content, hexadecimal."""
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
