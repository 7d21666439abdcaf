"""The readers that a store has made: one for each selection of features, while the view stays what it is."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

from feast import FeatureView, RepoConfig

from poc.online_store.view_reader import ViewReader

# A bound for callers that ask for ever new selections of features.
MOST_READERS = 1000
# A feature without a column gets one when it is first written, by whichever process.
LACKING_SECONDS = 1.0

log = logging.getLogger(__name__)

# Project, view and features of a reader.
_Name: TypeAlias = tuple[str, str, tuple[str, ...] | None]
Reader = TypeVar("Reader", bound=ViewReader)


class Readers(Generic[Reader]):
    """Makes readers, and gives them again. Safe to use from many threads at once.

    Args:
        make: makes the reader of some features of a view, of all for None.
    """

    def __init__(self, make: Callable[[RepoConfig, FeatureView, Sequence[str] | None], Reader]) -> None:
        self._make = make
        self._known: dict[_Name, tuple[FeatureView, Reader, float]] = {}

    def get(self, config: RepoConfig, view: FeatureView, features: Sequence[str] | None) -> Reader:
        """Give the reader of some features of `view`, made where there is none for the view as it is."""
        wanted = None if features is None else tuple(features)
        name = (config.project, view.name, wanted)
        known = self._known.get(name)
        if known is not None:
            made_for, reader, made_at = known
            same = made_for is view or _columns(made_for) == _columns(view)
            if same:
                if getattr(reader, "lacking", ()) and time.monotonic() - made_at > LACKING_SECONDS:
                    # In a thread: making one asks Cassandra, and the caller may be an event loop.
                    self._known[name] = (made_for, reader, time.monotonic())
                    threading.Thread(target=self._renew, args=(name, config, view), daemon=True).start()
                return reader
        if len(self._known) >= MOST_READERS:
            self.clear()
        reader = self._make(config, view, wanted)
        self._known[name] = (view, reader, time.monotonic())
        return reader

    def _renew(self, name: "_Name", config: RepoConfig, view: FeatureView) -> None:
        before = self._known.get(name)
        try:
            reader = self._make(config, view, name[-1])
        except Exception as error:  # Whatever it is, the next read says it.
            log.info("A reader that lacks columns stays: %s", error)
            return
        if self._known.get(name) is before:
            self._known[name] = (view, reader, time.monotonic())

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()


def _columns(view: FeatureView) -> list[tuple[str, Any]]:
    """List what the columns of `view` follow from; a reading of the registry makes new objects each time."""
    return [(field.name, field.dtype) for field in (*view.entity_columns, *view.features)]
