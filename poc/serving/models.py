"""The served model, kept up to date: a newly trained version is picked up while the server runs."""

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from poc.errors import PocError
from poc.serving.kept import Kept
from poc.settings import Settings

if TYPE_CHECKING:
    from poc.model.scoring import Scorer

log = logging.getLogger(__name__)

RETRY_SECONDS = 3.0


# Both import MLflow, which takes seconds: in the thread of `Kept` they cost nobody anything.
def load_registered(settings: Settings) -> "Scorer":
    """Load the registered model that is served; see `poc.model.registry.load_scorer`."""
    from poc.model.registry import load_scorer

    return load_scorer(settings)


def refresh_registered(settings: Settings, current: "Scorer") -> "Scorer":
    """Give `current` back, or what is to be served instead; see `poc.model.registry.refresh_scorer`."""
    from poc.model.registry import refresh_scorer

    return refresh_scorer(settings, current)


def keep_model(
    settings: Settings,
    load: "Callable[[Settings], Scorer]" = load_registered,
    refresh: "Callable[[Settings, Scorer], Scorer]" = refresh_registered,
    served: Callable[[], Sequence[str] | None] = lambda: None,
) -> "Kept[Scorer]":
    """Keep the model of `settings`: loaded again where there was none, replaced where another is served now.

    Args:
        settings: name the registry, the model and its alias.
        load: loads the scorer.
        refresh: gives the scorer to go on with. When it fails the present one stays: that the
            registry is out of reach takes nothing from a model that is loaded.
        served: gives the names of the features that are served; None while that is not known. A model that
            wants others does not replace one that is content with them.
    """

    def renew(current: "Scorer") -> "Scorer":
        try:
            newest = refresh(settings, current)
        except PocError as error:
            log.warning("Model version %s stays: %s", current.version, error.what)
            return current
        if newest is current:
            return current
        names = served()
        missing = () if names is None else [name for name in newest.inputs if name not in names]
        if missing and all(name in (names or ()) for name in current.inputs):
            log.warning(
                "Model version %s stays: %s wants %s, which is not served",
                current.version,
                newest.version,
                ", ".join(missing),
            )
            return current
        log.info("Model version %s replaces %s", newest.version, current.version)
        return newest

    return Kept(
        "model",
        lambda: load(settings),
        renew,
        renew_seconds=settings.model_refresh_seconds,
        retry_seconds=RETRY_SECONDS,
    )
