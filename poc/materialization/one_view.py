"""A run that is asked of one view by its name, whether the feature service takes it or not.

A view that no service takes is what only Feast's own calls read: it has no direct table, and its source is
checked and prepared by nobody.
"""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from poc.definitions import FeatureSet, ServedFeatures, applied_feature_set
from poc.errors import PocError

if TYPE_CHECKING:
    from feast import FeatureStore

_SCRIPT = "feast_materialize.py"


def is_served(served: ServedFeatures, view: str) -> bool:
    """Tell whether the service takes the view."""
    return any(item.view == view for item in served.feature_sets)


def chosen_views(store: "FeatureStore", served: ServedFeatures, view: str | None) -> tuple[FeatureSet, ...]:
    """Return what a run fills: that `view`, all of the service for None.

    Raises FeaturesNotApplied, InvalidDefinitions.
    """
    return served.feature_sets if view is None else (applied_feature_set(store, view),)


@contextmanager
def asked_of(view: str | None) -> Iterator[None]:
    """Let the ways out of what the block raises lead to the view that was asked for, and no other.

    Raises PocError: what the block does.
    """
    try:
        yield
    except PocError as error:
        if view is not None and "--view" not in error.way_out:
            error.way_out = error.way_out.replace(_SCRIPT, f"{_SCRIPT} --view {shlex.quote(view)}")
        raise
