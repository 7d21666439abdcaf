"""What the sources that know Feast's registry have in common: they follow it while others read."""

import asyncio
import copy
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from poc import errors
from poc.definitions import ServedFeatures, applied_service, applied_view
from poc.online_store.session import READ, Session, idempotent
from poc.retrieval.entities import Entities, ViewValues
from poc.retrieval.source import EntityFeatures, EntityKey, T, probe_key, within
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

log = logging.getLogger(__name__)

# What fails at reading is looked into at once, and then no more often than so.
LEAST_SECONDS = 1.0

S = TypeVar("S", bound=Entities)


class FollowingSource(ABC, Generic[S]):
    """The features of one feature service, by a state that is made anew when the definitions change.

    Readers take the state as it is, and never wait. What cannot be made anew leaves the old one in its place.
    Making one raises `FeaturesNotApplied` if the registry lacks the service, and what `_state` raises.
    """

    def __init__(self, store: "FeatureStore", where: str, settings: Settings) -> None:
        self._store, self._where, self._service = store, where, settings.feature_service
        self._timeout_seconds = settings.feature_timeout_seconds
        self._refresh_seconds = settings.registry_refresh_seconds
        try:
            self._now = self._state(applied_service(store, self._service))
        except BaseException:
            self._end()
            raise
        self._suspected = False
        self._renewing, self._renewed = threading.Lock(), -LEAST_SECONDS
        self._closed, self._wake = threading.Event(), threading.Event()
        threading.Thread(target=self._follow, name="definitions", daemon=True).start()

    @property
    def served(self) -> ServedFeatures:
        """See `FeatureSource.served`."""
        return self._now.served

    async def read(self, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        """See `FeatureSource.read`."""
        if not keys:
            return []
        state = self._now
        try:
            found = await self._found(state, keys)
        except errors.FeaturesOutdated:
            # A full run may have gone over to values of other types: the next state knows them.
            await self._within(asyncio.to_thread(self._renew, state))
            if self._now is state:
                raise
            state = self._now
            found = await self._found(state, keys)
        if not state.filled:
            if not any(found):
                await self._within(asyncio.to_thread(self._require_filled, state))
            state.filled = True
        return found

    async def check(self) -> None:
        """See `FeatureSource.check`."""
        state = self._now
        await self._found(state, [probe_key(state.served)])
        state.filled = False
        await self._within(asyncio.to_thread(self._require_filled, state))
        state.filled = True

    def refresh(self) -> None:
        """Read the registry again, and go over to what it says if that is something else. Blocks.

        Raise a `PocError` if it does not name the features, or they cannot be read by it: the old ones stay.
        """
        from poc.online_store import registry_file

        suspected, self._suspected = self._suspected, False
        try:
            # Looked at before it is shown: a registry that lacks the service takes nothing away.
            other = copy.copy(self._store)
            other._registry = registry_file.as_it_is_now(self._store.registry, self._store.project)
            found = applied_service(other, self._service, cached=True)
            plans = getattr(self._store._get_provider(), "plans", None)
            if plans is None:
                registry_file.refresh(self._store.registry, self._store.project)
            else:
                # What is asked for is planned anew before it is shown.
                plans.refresh(self._store)
        except FileNotFoundError as error:
            raise errors.FeaturesNotApplied(self._service) from error
        before = self._now.served
        if found == before:
            if not suspected and not self._lacks(self._now):
                return
        # The store waits with another key until that is what its table has.
        elif found != applied_service(self._store, self._service, cached=True):
            return
        self._now = self._state(found)
        if found != before:
            log.info("The feature service has changed", extra={"features": found.names})

    def _renew(self, state: S) -> None:
        """Make `state` anew, for one of all that found it outdated, and again after `LEAST_SECONDS` only."""
        with self._renewing:
            if self._now is state and time.monotonic() >= self._renewed + LEAST_SECONDS:
                self._refresh_or_stay()
                self._renewed = time.monotonic()

    def _refresh_or_stay(self) -> None:
        try:
            self.refresh()
        except errors.PocError as error:
            log.warning("The features stay as they were: %s", error.what)
        except Exception:  # Registries are files, databases and web services; none may end the thread.
            log.exception("The features stay as they were: the registry cannot be read")

    def close(self) -> None:
        """End the refresh and the sessions. A second call does nothing."""
        if not self._closed.is_set():
            self._closed.set()
            self._wake.set()
            self._end()

    @abstractmethod
    def _state(self, served: ServedFeatures) -> S:
        """Make the state. Blocks."""

    @abstractmethod
    async def _views(self, state: S, keys: Sequence[EntityKey]) -> Sequence[Sequence[ViewValues | None]]:
        """Read what each view has for each of `keys`."""

    @abstractmethod
    def _failures(self, state: S) -> AbstractContextManager[None]:
        """Turn what reading raises into this project's errors."""

    @abstractmethod
    def _require_filled(self, state: S) -> None:
        """Raise `FeaturesNotMaterialized` unless every view holds something. Blocks."""

    @abstractmethod
    def _end(self) -> None:
        """End the sessions."""

    def _lacks(self, state: S) -> bool:
        """Return whether the state was made of less than is declared: then it is made anew each time."""
        return False

    async def _found(self, state: S, keys: Sequence[EntityKey]) -> list[EntityFeatures | None]:
        if self._closed.is_set():
            raise errors.CassandraUnavailable(self._where, "the source was closed")
        try:
            return state.of(keys, await self._within(self._views(state, keys)))
        except Exception:
            try:
                # Entered for a failure only: around each read it took a tenth of it.
                with self._failures(state):
                    raise
            except (errors.FeaturesOutdated, errors.FeaturesNotApplied, errors.FeaturesNotMaterialized):
                # What was read did not fit: the state is made anew soon, whether the registry changed or not.
                self._suspected = True
                self._wake.set()
                raise

    def _within(self, work: Coroutine[Any, Any, T], spent: float = 0.0) -> Coroutine[Any, Any, T]:
        seconds = self._timeout_seconds
        return within(seconds - spent, work, lambda: errors.AnswerTooLate(self._where, seconds))

    def _applied(self, view: str) -> Any:
        # Feast's lists leave out the key of a view without entities.
        return applied_view(self._store, view, cached=True)

    def _follow(self) -> None:
        while not self._closed.is_set():
            if self._wake.wait(self._refresh_seconds):
                self._closed.wait(min(LEAST_SECONDS, self._refresh_seconds))
            self._wake.clear()
            if not self._closed.is_set():
                self._refresh_or_stay()


def holds_rows(session: Session, table: str, timeout_seconds: float) -> bool:
    """Return whether `table` (quoted, with its keyspace) has any row."""
    statement = idempotent(f"SELECT * FROM {table} LIMIT 1")
    return session.execute(statement, timeout=timeout_seconds, execution_profile=READ).one() is not None
