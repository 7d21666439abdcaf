"""A forked process has none of its parent's threads: what works with threads begins anew in it."""

import os
from typing import Protocol
from weakref import WeakSet


class BeginsAnew(Protocol):
    """What is told of a fork."""

    def begin_anew(self) -> None:
        """Give up threads, locks and sessions, in the child and before anything else of it runs."""


# Whoever is to be told in each child process, for as long as there is somebody to tell.
TOLD: WeakSet[BeginsAnew] = WeakSet()


def _tell() -> None:
    for owner in list(TOLD):
        owner.begin_anew()


os.register_at_fork(after_in_child=_tell)
