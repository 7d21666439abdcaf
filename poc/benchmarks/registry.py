"""What a read costs by the number of feature views in Feast's registry: resolved, and looked up in each call.

All reads are of one service and of the same rows in the row store; only the registries differ.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from feast import FeatureService, FeatureStore

from poc.benchmarks.one_materialization import materialize
from poc.benchmarks.records import own_repo, record_ids, write_sources
from poc.comparison import variants
from poc.comparison.agreement import agreed_keys
from poc.comparison.machine import measured_on
from poc.comparison.measure import Measurement, measure
from poc.comparison.methods import Method
from poc.comparison.reads import public_call
from poc.comparison.statistics import compare, summarize
from poc.comparison.stores import Place
from poc.definitions import ServedFeatures, applied_view
from poc.feature_store import close_feature_store, declared_service, open_feature_store

ROWS = 1000
SEED = 1
PROVIDERS = {
    "Feast's call, resolved": variants.RESOLVING_PROVIDER,
    "Feast's call, provider local": variants.LOCAL_PROVIDER,
}


def measure_registry(
    place: Place, views: Sequence[int], rounds: int, progress: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Measure all reads at all numbers of views, in turns, and return the results as a document.

    The features are those of `place`, in a keyspace of its own there that is dropped afterwards. `views` are
    numbers of feature views beside the service's other ones, the first to compare with. `rounds` reads of
    each are counted; `progress` is called after each round, warm-up included.

    Raises:
        ValuesDiffer: the reads do not give the same values.
    """
    meta = measured_on(place.session)
    served = declared_service(place.settings)
    keys = [(item,) * len(served.key_names) for item in record_ids(ROWS)]
    with TemporaryDirectory() as name, ExitStack() as opened:
        filled = opened.enter_context(_filled(place, served, Path(name)))
        methods = []
        for count in views:
            registry = _with_views(filled, served, count, Path(name) / f"{count}-views.db")
            for title, provider in PROVIDERS.items():
                config = variants.configuration(filled, provider=provider, registry=str(registry))
                store = variants.open_configuration(config)
                opened.callback(close_feature_store, store)
                read = public_call("feast-rows", store, served).read
                methods.append(Method(_name(title, count), title, "", read))
        known = agreed_keys(methods, keys, chunk=100)
        measured = measure(methods, known, 1, rounds, SEED, lambda batch, answers: progress())
    return {"meta": meta | {"rounds": rounds}, "results": _results(measured, views)}


@contextmanager
def _filled(place: Place, served: ServedFeatures, folder: Path) -> Iterator[FeatureStore]:
    """Fill a row store of one's own, and give it with its registry, which holds what is declared."""
    write_sources(served, ROWS, folder)
    with own_repo(place, folder, variants.ROW_STORE, {"type": variants.ARROW_ENGINE}) as repo:
        materialize("Filling the row store", repo, folder)
        own = {"feast_repo_path": repo, "feast_fs_yaml_file_path": None}
        yield open_feature_store(place.settings.model_copy(update=own))


def _with_views(filled: FeatureStore, served: ServedFeatures, count: int, path: Path) -> Path:
    """Write a registry like that of `filled`, of `count` views and services; what is added has no table."""
    shutil.copy(filled.config.registry.path, path)
    store = variants.open_configuration(variants.configuration(filled, registry=str(path)))
    first = applied_view(store, served.feature_sets[0].view)
    for number in range(1, count):
        proto = first.to_proto()
        proto.spec.name = f"{first.name}_{number}"
        other = type(first).from_proto(proto)
        store.registry.apply_feature_view(other, store.project, commit=False)
        service = FeatureService(name=f"{served.service}_{number}", features=[other])
        store.registry.apply_feature_service(service, store.project, commit=False)
    store.registry.commit()
    return path


def _results(measured: Measurement, views: Sequence[int]) -> list[dict[str, Any]]:
    taken, results = measured.nanoseconds, []
    for title in PROVIDERS:
        for count in views:
            first, own = taken[_name(title, views[0])], taken[_name(title, count)]
            summary, ratio, interval = summarize(own), None, None
            if count != views[0]:
                found = compare(own, first, SEED)
                ratio, *interval = (round(value, 3) for value in (found.p50, found.p50_low, found.p50_high))
            times = {"p50_ms": round(summary.p50_ms, 3), "p99_ms": round(summary.p99_ms, 3)}
            ratios = {"ratio": ratio, "ratio_ci95": interval}
            results.append({"title": title, "views": count} | times | ratios)
    return results


def _name(title: str, views: int) -> str:
    return f"{title}, {views} views"
