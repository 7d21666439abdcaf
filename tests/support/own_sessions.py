"""The sessions that Feast opens and has no call to close: each one's threads wake ten times a second."""

from collections.abc import Iterator
from contextlib import contextmanager

from cassandra.cluster import _clusters_for_shutdown

from poc import repository
from poc.settings import Settings


@contextmanager
def own_sessions() -> Iterator[None]:
    """Close at the end of the block what was opened in it, and is open."""
    before = set(_clusters_for_shutdown)
    try:
        yield
    finally:
        for cluster in _clusters_for_shutdown - before:
            cluster.shutdown()


def apply_definitions(settings: Settings) -> tuple[list[str], list[str]]:
    """Do what poc.repository's does, and close what Feast opened for it."""
    with own_sessions():
        return repository.apply_definitions(settings)
