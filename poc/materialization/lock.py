"""One materialization at a time: Feast's file registry loses an interval when two write it at once."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def materialization_lock(data_dir: Path, announce: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of `data_dir`; where another process has it, `announce` that, then wait for it.

    The operating system gives the lock back when its holder ends, however it ends.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / ".materialization.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            announce("Another materialization is running: waiting for it ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
