"""Something the server needs and cannot always have: opened in the background, and again until it works."""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from poc.definitions import Feature
from poc.errors import OpeningFailed, PocError, StillOpening
from poc.retrieval.source import FeatureSource
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_SECONDS = 1.0
MODEL_RETRY_SECONDS = 3.0
# Longer than any check: each step of one has the limit of a read.
CHECK_SECONDS = 200.0


class Resource(Generic[T]):
    """A value that requests take as it is, and that one thread of its own opens, renews and repairs.

    No request ever waits for it: `get` returns the value, or raises at once what stands in its way.

    Args:
        component: what it is, for messages: `features`, `model`.
        opens: makes the value; what it raises is tried again after `retry_seconds`.
        renews: returns the value to go on with, the same or another; raises what has become wrong with it.
        renew_seconds: how often to renew a value that nobody suspects; None for never.
    """

    def __init__(
        self,
        component: str,
        opens: Callable[[], T],
        renews: Callable[[T], T],
        closes: Callable[[T], object] = lambda value: None,
        *,
        renew_seconds: float | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._component = component
        self._opens, self._renews, self._closes = opens, renews, closes
        self._renew_seconds, self._retry_seconds = renew_seconds, retry_seconds
        # As it was last opened or renewed, whatever has become wrong with it; None before that.
        self.latest: T | None = None
        self._error: PocError | None = StillOpening(component)
        self._stopping = False
        self._wake, self._tried = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"open-{component}", daemon=True)

    def start(self) -> None:
        """Begin to open the value."""
        self._thread.start()

    def stop(self) -> None:
        """Stop renewing and give the value up. Waits a moment for an attempt that is under way."""
        self._stopping = True
        self._wake.set()
        self._thread.join(timeout=2.0)
        if self.latest is not None:
            self._closes(self.latest)

    def get(self) -> T:
        """Return the value, or raise the `PocError` that stands in its way."""
        value, error = self.latest, self._error
        if error is not None:
            # The same error is raised to many requests: without this each would lengthen its traceback.
            raise error.with_traceback(None)
        assert value is not None
        return value

    def suspect(self, error: PocError) -> None:
        """Report that the value failed with `error`: until it is renewed, `get` raises that at once."""
        self._error = error
        self._wake.set()

    def wait_until_tried(self, timeout_seconds: float) -> None:
        """Wait until the first attempt to open the value has ended, however it did."""
        self._tried.wait(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            self._attempt()
            self._tried.set()
            self._wake.wait(self._renew_seconds if self._error is None else self._retry_seconds)

    def _attempt(self) -> None:
        before = self._error
        try:
            self.latest = self._opens() if self.latest is None else self._renews(self.latest)
            self._error = None
        except PocError as error:
            self._error = error
        except Exception as error:  # Whatever it is, the next attempt may succeed; the log tells of it.
            log.exception("Loading the %s failed", self._component)
            self._error = OpeningFailed(self._component, error)
        if self._error is None and before is not None:
            log.info("Loaded the %s", self._component)
        elif self._error is not None and (before is None or before.what != self._error.what):
            log.warning("No %s: %s", self._component, self._error.what)


FeatureResource: TypeAlias = Resource[FeatureSource]
ModelResource: TypeAlias = "Resource[Scorer]"


def feature_resource(
    settings: Settings,
    open_source: Callable[[Settings], FeatureSource],
    loop: "Future[asyncio.AbstractEventLoop]",
) -> FeatureResource:
    """Keep the source open. When reads failed, it is asked whether it works again; the driver repairs it.

    `loop` is the event loop that reads, known once the server runs.
    """

    def renew(source: FeatureSource) -> FeatureSource:
        asyncio.run_coroutine_threadsafe(source.check(), loop.result()).result(CHECK_SECONDS)
        return source

    return Resource("features", lambda: open_source(settings), renew, lambda source: source.close())


# It imports MLflow, which takes seconds: in the thread of `Resource` that costs nobody anything.
def _registered(settings: Settings, current: "Scorer | None") -> "Scorer":
    from poc.model.registry import load_scorer

    return load_scorer(settings, present=current)


def model_resource(
    settings: Settings,
    load: "Callable[[Settings, Scorer | None], Scorer]" = _registered,
    served: Callable[[], Sequence[Feature] | None] = lambda: None,
) -> ModelResource:
    """Keep the model of `settings`: loaded again where there was none, replaced where another is served now.

    Args:
        load: returns the scorer to go on with, given the present one. When it fails that one stays: that the
            registry is out of reach takes nothing from a model that is loaded.
        served: returns the features that are served; None while that is not known. A model that wants others
            does not replace one that is content with them.
    """

    def renew(current: "Scorer") -> "Scorer":
        try:
            newest = load(settings, current)
        except PocError as error:
            log.warning("Model version %s stays: %s", current.version, error.what)
            return current
        if newest is current:
            return current
        features = served()
        if features is not None and (missing := newest.lacking(features)) and not current.lacking(features):
            said = "Model version %s stays: %s wants %s, which is not served"
            log.warning(said, current.version, newest.version, ", ".join(missing))
            return current
        log.info("Model version %s replaces %s", newest.version, current.version)
        return newest

    seconds = settings.model_refresh_seconds
    return Resource(
        "model", lambda: load(settings, None), renew, renew_seconds=seconds, retry_seconds=MODEL_RETRY_SECONDS
    )
