"""A source's state, which follows Feast's registry while others read by it."""

import copy
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from poc.definitions import ServedFeatures, applied_service
from poc.errors import FeaturesNotApplied, PocError

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)

# What fails at reading is looked into at once, and then no more often than so.
LEAST_SECONDS = 1.0

State = TypeVar("State")


class Following(Generic[State]):
    """A value that is made of the definitions, and made anew when they change.

    Readers take `now` as it is, and never wait. What cannot be made anew leaves the old one in its place.

    Args:
        store: Feast, with its registry.
        service: the feature service.
        make: makes the value.
        seconds: how often the registry is read again.
        lacks: whether the value was made of less than is declared: then it is made anew each time.

    Raises:
        FeaturesNotApplied: the registry does not know the service.
        what `make` raises.
    """

    def __init__(
        self,
        store: "FeatureStore",
        service: str,
        make: Callable[[ServedFeatures], State],
        seconds: float,
        lacks: Callable[[State], bool] = lambda value: False,
    ) -> None:
        self._store, self._service, self._make, self._seconds = store, service, make, seconds
        self._lacks = lacks
        self._definitions = applied_service(store, service)
        self.now = make(self._definitions)
        self._suspected = False
        self._closed, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="definitions", daemon=True)
        self._thread.start()

    def refresh(self) -> None:
        """Read the registry, and go over to what it says if that is something else. Blocks.

        Raises:
            PocError: it does not name the features, or they cannot be read by it.
        """
        suspected, self._suspected = self._suspected, False
        try:
            # Looked at before it is shown: a registry that lacks the service takes nothing away.
            found = applied_service(_as_it_is_now(self._store), self._service, cached=True)
            _show(self._store)
        except FileNotFoundError as error:
            raise FeaturesNotApplied(self._service) from error
        if found == self._definitions and not suspected and not self._lacks(self.now):
            return
        self.now = self._make(found)
        if found != self._definitions:
            log.info("The feature service has changed", extra={"features": found.names})
        self._definitions = found

    def suspect(self) -> None:
        """Report that what was read did not fit: the value is made anew soon, whether it changed or not."""
        self._suspected = True
        self._wake.set()

    def close(self) -> None:
        """Stop following. A second call does nothing."""
        self._closed.set()
        self._wake.set()

    def _follow(self) -> None:
        while not self._closed.is_set():
            if self._wake.wait(self._seconds):
                self._closed.wait(min(LEAST_SECONDS, self._seconds))
            self._wake.clear()
            if self._closed.is_set():
                return
            try:
                self.refresh()
            except PocError as error:
                log.warning("The features stay as they were: %s", error.what)
            except Exception:  # Registries are files, databases and web services; none may end the thread.
                log.exception("The features stay as they were: the registry cannot be read")


def _as_it_is_now(store: "FeatureStore") -> "FeatureStore":
    """Return a store that has just read the registry, while `store` has it as before."""
    registry = store.registry
    twin = object.__new__(type(registry))
    twin.__dict__.update(registry.__dict__)
    twin.refresh(store.project)
    other = copy.copy(store)
    other._registry = twin
    return other


def _show(store: "FeatureStore") -> None:
    """Let `store` read the registry again."""
    plans = getattr(store._get_provider(), "plans", None)
    if plans is None:
        store.registry.refresh(store.project)
    else:
        # What is asked for is planned anew before it is shown.
        plans.refresh(store)
