"""Feast's registry in a local file: written whole or not at all, and read again without writing.

Feast 0.38 empties the file and then writes it. Who reads in between sees no registry, or half of one, and may
write the empty one down, over what was applied. A disk that is full leaves half of one for good.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import IO, Any, TypeVar

from feast.infra.registry.base_registry import BaseRegistry
from feast.infra.registry.file import FileRegistryStore
from feast.infra.registry.registry import Registry

AnyRegistry = TypeVar("AnyRegistry", bound=BaseRegistry)


def install() -> None:
    """Let Feast write its file registries so."""
    FileRegistryStore._write_registry = _write_registry


def _write_registry(self: FileRegistryStore, registry: Any) -> None:
    registry.version_id = str(uuid.uuid4())
    registry.last_updated.FromDatetime(datetime.utcnow())  # noqa: DTZ003 - as Feast does.
    # A link stays one.
    path = Path(os.path.realpath(self._filepath))
    path.parent.mkdir(exist_ok=True)
    try:
        write_whole(path, registry.SerializeToString())
    except OSError as error:
        # A full disk names no file.
        error.filename = str(path)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Put a file with `content` in the place of `path`: whoever reads has the old one or the new one.

    Raises OSError: it cannot be written; the old one is as it was.
    """
    try:
        with whole_file(path) as file:
            file.write(content)
    except PermissionError:
        # A single file that is mounted into a folder of somebody else's can be written in place only.
        path.write_bytes(content)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a file that takes the place of `path` when the block ends well, on the disk and not before."""
    # A name of its own: two who write at once must not write into each other's file.
    draft = path.with_name(f".{path.name}.{token_hex(4)}")
    try:
        with draft.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def refresh(registry: BaseRegistry, project: str) -> None:
    """Read the registry again, and write nothing."""
    if isinstance(registry, Registry):
        # Of a file that lacks the project Feast would write an empty registry in its place.
        registry.refresh()
    else:
        # Without a project a registry server would be told of one called "None".
        registry.refresh(project)


def as_it_is_now(registry: AnyRegistry, project: str) -> AnyRegistry:
    """Return a twin that has just read what `registry` has as before: it shares only where that lies."""
    twin = object.__new__(type(registry))
    twin.__dict__.update(registry.__dict__)
    refresh(twin, project)
    return twin
