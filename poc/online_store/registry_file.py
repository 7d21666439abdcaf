"""Feast's registry in a local file, written whole or not at all.

Feast 0.38 empties the file and then writes it. Who reads in between sees no registry, or half of one; and a
store that refreshes by its project then writes the empty one down, over what was applied. A disk that is full
leaves half of one for good.
"""

import os
import shutil
import tempfile
import uuid
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from feast.infra.registry.file import FileRegistryStore


def install() -> None:
    """Let Feast write its file registries so. A second time does nothing."""
    feasts = FileRegistryStore._write_registry
    if hasattr(feasts, "whole"):
        return

    def write_registry(self: FileRegistryStore, registry: Any) -> None:
        registry.version_id = str(uuid.uuid4())
        registry.last_updated.FromDatetime(datetime.utcnow())  # noqa: DTZ003 - as Feast does.
        # A link stays one.
        path = Path(os.path.realpath(self._filepath))
        path.parent.mkdir(exist_ok=True)
        write_whole(path, registry.SerializeToString())

    write_registry.whole = True  # type: ignore[attr-defined]
    FileRegistryStore._write_registry = write_registry


def write_whole(path: Path, content: bytes) -> None:
    """Put a file with `content` in the place of `path`: whoever reads has the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one is as it was.
    """
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except PermissionError:
        # A single file that is mounted into a folder of somebody else's can be written in place only.
        path.write_bytes(content)
        return
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            shutil.copymode(path, name)
        else:
            Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
