"""A progress bar that does not disturb what is being timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from poc.command_line import progress_console

REDRAWN_EVERY_SECONDS = 0.25


class RoundsBar:
    """A bar that is drawn only when it is told something.

    Rich's own refreshing thread would take the interpreter in the middle of a read, ten times a second.
    """

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task
        self._drawn = 0.0

    def say(self, what: str) -> None:
        """Name what is going on."""
        self._progress.update(self._task, description=what, refresh=True)

    def advance(self) -> None:
        """Count one round, and draw if the last time is long enough ago."""
        now = time.monotonic()
        due = now - self._drawn >= REDRAWN_EVERY_SECONDS
        self._progress.update(self._task, advance=1, refresh=due)
        if due:
            self._drawn = now


@contextmanager
def rounds_bar(rounds: int) -> Iterator[RoundsBar]:
    """Show a bar of `rounds` on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with progress_console() as console, Progress(*columns, console=console, auto_refresh=False) as progress:
        yield RoundsBar(progress, progress.add_task("Opening both stores", total=rounds))
