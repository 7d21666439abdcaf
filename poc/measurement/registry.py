"""What a read costs by the number of feature views in Feast's registry: resolved, and looked up in each call.

All reads are of one service and of the same rows in the row store; only the registries differ.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from feast import FeatureService, FeatureStore

from poc.definitions import ServedFeatures, applied_view
from poc.feature_store import close_feature_store, open_feature_store
from poc.measurement.comparison import agreed_keys
from poc.measurement.core import Method, Nanoseconds, compare, measure, measured_on, summarize
from poc.measurement.one_materialization import materialize, own_repo, record_ids, write_sources
from poc.measurement.place import (
    ARROW_ENGINE,
    LOCAL_PROVIDER,
    RESOLVING_PROVIDER,
    ROW_STORE,
    Place,
    configuration,
    open_configuration,
)
from poc.measurement.reads import public_call
from poc.repository import declared_service

ROWS = 1000
SEED = 1
PROVIDERS = {
    "Feast's call, resolved": RESOLVING_PROVIDER,
    "Feast's call, provider local": LOCAL_PROVIDER,
}


def measure_registry(
    place: Place, views: Sequence[int], rounds: int, progress: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Measure all reads at all numbers of views, in turns, and return the results as a document.

    `views` are numbers of feature views beside the service's other ones, the first to compare with. `rounds`
    reads of each are counted; `progress` is called after each round, warm-up included. `ValuesDiffer`: the
    reads do not return the same values.
    """
    meta, served = measured_on(place.session), declared_service(place.settings)
    keys = [(item,) * len(served.key_names) for item in record_ids(ROWS)]
    with TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        write_sources(served, ROWS, folder)
        repo = opened.enter_context(own_repo(place, folder, ROW_STORE, {"type": ARROW_ENGINE}))
        materialize("Filling the row store", repo, folder)
        changed = {"feast_repo_path": repo, "feast_fs_yaml_file_path": None}
        origin = open_feature_store(place.settings.model_copy(update=changed))
        methods = []
        for count in views:
            registry = _with_views(origin, served, count, folder / f"{count}-views.db")
            for title, provider in PROVIDERS.items():
                store = open_configuration(configuration(origin, provider=provider, registry=registry))
                opened.callback(close_feature_store, store)
                methods.append(Method(_name(title, count), title, public_call(store, served)))
        known = agreed_keys(methods, keys)
        measured = measure(methods, known, 1, rounds, SEED, lambda batch, answers: progress())
    results = [_result(measured, title, count, views[0]) for title in PROVIDERS for count in views]
    return {"meta": meta | {"rounds": rounds}, "results": results}


def _with_views(origin: FeatureStore, served: ServedFeatures, count: int, path: Path) -> str:
    """Write a registry like that of `origin`, of `count` views and services; what is added has no table."""
    shutil.copy(origin.config.registry.path, path)
    store = open_configuration(configuration(origin, registry=str(path)))
    first = applied_view(store, served.feature_sets[0].view)
    for number in range(1, count):
        proto = first.to_proto()
        proto.spec.name = f"{first.name}_{number}"
        added = type(first).from_proto(proto)
        store.registry.apply_feature_view(added, store.project, commit=False)
        service = FeatureService(name=f"{served.service}_{number}", features=[added])
        store.registry.apply_feature_service(service, store.project, commit=False)
    store.registry.commit()
    return str(path)


def _result(measured: Mapping[str, Nanoseconds], title: str, views: int, fewest: int) -> dict[str, Any]:
    latencies = measured[_name(title, views)]
    summary, ratio, interval = summarize(latencies), None, None
    if views != fewest:
        found = compare(latencies, measured[_name(title, fewest)], SEED)
        ratio, *interval = (round(value, 3) for value in (found["p50"], *found["p50_ci95"]))
    times = {name: round(summary[name], 3) for name in ("p50_ms", "p99_ms")}
    return {"title": title, "views": views, **times, "ratio": ratio, "ratio_ci95": interval}


def _name(title: str, views: int) -> str:
    return f"{title}, {views} views"
