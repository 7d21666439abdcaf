"""A program that runs beside this one for a while, in a session of its own, and ends with all it started."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

Process = subprocess.Popen[bytes]


@contextmanager
def child_process(
    command: Sequence[str],
    output: IO[bytes] | IO[str],
    stop_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run `command` until the block ends; then tell it to end, and end it by force after `stop_seconds`.

    Args:
        output: where its standard output and standard error go, a file of the operating system.
        environment: what it has beside, or instead of, this process's variables.
    """
    own = os.environ | ({} if environment is None else environment)
    # In a session of its own: Ctrl-C reaches it through the end of the block, once, and so do its workers.
    process = subprocess.Popen(command, env=own, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(stop_seconds)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
