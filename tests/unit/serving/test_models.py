import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from feast.types import String

from poc.definitions import ServedFeatures
from poc.errors import ModelNotFound, ModelRegistryUnavailable
from poc.model.scoring import Scorer
from poc.serving.resources import Resource, model_resource
from poc.settings import Settings


class Registry:
    """What a model registry says now."""

    def __init__(self, served: Scorer | None) -> None:
        self.served = served
        self.reachable = True

    def load(self, settings: Settings, present: Scorer | None) -> Scorer:
        if not self.reachable:
            raise ModelRegistryUnavailable("http://mlflow", "refused")
        if self.served is None:
            raise ModelNotFound("here", settings.model_name, settings.model_alias)
        return self.served


@pytest.fixture
def registry(scorer: Scorer) -> Registry:
    return Registry(scorer)


@pytest.fixture
def resource(serving_settings: Settings, registry: Registry) -> Iterator[Resource[Scorer]]:
    settings = serving_settings.model_copy(update={"model_refresh_seconds": 0.02})
    resource = model_resource(settings, registry.load)
    resource.start()
    resource.wait_until_tried(5)
    yield resource
    resource.stop()


def version(scorer: Scorer, number: str) -> Scorer:
    return replace(scorer, version=number)


def test_newly_promoted_version_is_picked_up(
    resource: Resource[Scorer], registry: Registry, scorer: Scorer
) -> None:
    registry.served = version(scorer, "2")
    deadline = time.monotonic() + 5
    while resource.get().version != "2" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert resource.get().version == "2"


@pytest.mark.parametrize("state", ["out of reach", "emptied"])
def test_loaded_model_stays_when_the_registry_has_none(
    resource: Resource[Scorer], registry: Registry, scorer: Scorer, state: str
) -> None:
    if state == "emptied":
        registry.served = None
    registry.reachable = state == "emptied"
    time.sleep(0.1)
    assert resource.get() is scorer


def wanting(scorer: Scorer, number: str, *more: str) -> Scorer:
    return replace(scorer, version=number, inputs=(*scorer.inputs, *more))


@pytest.mark.parametrize("change", ["another", "another type"])
def test_version_that_wants_what_is_not_served_waits_until_it_is(
    serving_settings: Settings,
    registry: Registry,
    scorer: Scorer,
    served_definitions: ServedFeatures,
    caplog: pytest.LogCaptureFixture,
    change: str,
) -> None:
    served = list(served_definitions.features)
    settings = serving_settings.model_copy(update={"model_refresh_seconds": 0.02})
    resource = model_resource(settings, registry.load, lambda: served)
    resource.start()
    resource.wait_until_tried(5)
    if change == "another":
        wanted = replace(served[0], name="new_feature")
        registry.served, wanted_by = wanting(scorer, "2", "new_feature"), [*served, wanted]
    else:
        wanted = next(item for item in served if item.name == "amount")
        wanted_by = [replace(item, dtype=String) if item is wanted else item for item in served]
        registry.served = replace(scorer, version="2", categories={**scorer.categories, "amount": ("a",)})
    time.sleep(0.2)
    assert resource.get().version == "1"
    assert wanted.name in caplog.text
    served[:] = wanted_by
    deadline = time.monotonic() + 5
    while resource.get().version != "2" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert resource.get().version == "2"
    resource.stop()
