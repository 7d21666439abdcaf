"""What a read costs by the number of feature views in Feast's registry, by the public call and by a plan.

All reads are of one view and of the same rows in the row store; only the registries differ.
"""

import runpy
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cassandra.cluster import Session

from poc.benchmarks.keyspace import own_keyspace
from poc.benchmarks.records import make_repo, write_records
from poc.benchmarks.setting import measured_on
from poc.comparison.agreement import agreed_ids
from poc.comparison.measure import Measurement, measure
from poc.comparison.methods import Method, Row, public_call, resolved_read
from poc.comparison.row_layout import ARROW_ENGINE, ROW_STORE
from poc.comparison.statistics import compare, summarize
from poc.database.endpoint import Endpoint
from poc.dataset.stored import sample_ids
from poc.definitions import feature_set, read_definitions
from poc.feature_store import open_feature_store
from poc.retrieval.feast_source import open_feast_source
from poc.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView

VIEWS = (1, 50, 200)
ROWS = 1000
DEFAULT_ROUNDS = 300
SEED = 1
# Reading the registry again, in the background, would come into the middle of some reads.
REFRESH_SECONDS = 3600.0
LOOKED_UP, HELD, PLAN = (
    "Public call, service looked up each time",
    "Public call, service held",
    "Resolved plan",
)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the measurement's stores are."""

    settings: Settings
    endpoint: Endpoint
    keyspace: str
    folder: Path

    @property
    def source(self) -> Path:
        return self.folder / "records.parquet"


def measure_registry(
    settings: Settings,
    endpoint: Endpoint,
    session: Session,
    views: Sequence[int],
    rounds: int,
    progress: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Measure all reads at all numbers of views, in turns, and give the results as a document.

    Args:
        settings: whose features are read.
        endpoint: the Cassandra; a keyspace of its own there is dropped afterwards.
        session: to it.
        views: numbers of feature views, the first of which the others are compared with.
        rounds: counted reads of each.
        progress: called after each round, warm-up included.

    Raises:
        ValuesDiffer: the reads do not give the same values.
    """
    meta = measured_on(session)
    with TemporaryDirectory() as folder, own_keyspace(session) as keyspace, ExitStack() as opened:
        place = _Place(settings, endpoint, keyspace, Path(folder))
        definitions = read_definitions(settings)
        now = datetime.now(timezone.utc).replace(microsecond=0)
        write_records(definitions, ROWS, place.source, now)
        methods: list[Method] = []
        for count in views:
            own, store = _open(place, count, opened)
            if not methods:
                with redirect_stdout(sys.stderr):
                    store.materialize(now - timedelta(days=30), now, feature_views=[definitions.view])
                ids = sample_ids(feature_set(store.get_feature_view(definitions.view)), ROWS)
            methods += _methods(own, store, definitions.join_key, count, opened)
        known = agreed_ids(methods, ids, chunk=100)
        measured = measure(methods, known, 1, rounds, SEED, lambda batch, answers: progress())
    return {"meta": meta | {"rounds": rounds}, "results": _results(measured, views)}


def _open(place: _Place, views: int, opened: ExitStack) -> "tuple[Settings, FeatureStore]":
    """Make a registry of `views` views and as many services; only the first view has a table."""
    from feast import Entity, FeatureService, FeatureView, FileSource

    repo = make_repo(
        place.settings,
        place.folder / f"{views}-views",
        place.endpoint,
        place.keyspace,
        ROW_STORE,
        {"type": ARROW_ENGINE},
    )
    own = place.settings.model_copy(
        update={
            "feast_repo_path": repo,
            "feast_fs_yaml_file_path": None,
            "registry_refresh_seconds": REFRESH_SECONDS,
            "feature_driver": "cassandra-driver",
        }
    )
    store = open_feature_store(own)
    opened.callback(store._get_provider().online_store.close)
    declared = runpy.run_path(str(repo / "features.py")).values()
    entities = [item for item in declared if isinstance(item, Entity)]
    service = next(
        item for item in declared if isinstance(item, FeatureService) and item.name == own.feature_service
    )
    name = service.feature_view_projections[0].name
    view = next(item for item in declared if isinstance(item, FeatureView) and item.name == name)
    view.batch_source = FileSource(
        path=str(place.source),
        timestamp_field=view.batch_source.timestamp_field,
        created_timestamp_column=view.batch_source.created_timestamp_column,
    )
    with redirect_stdout(sys.stderr):
        store.apply([*entities, view, service])
    for number in range(1, views):
        other = _renamed(view, f"{name}_{number}")
        store.registry.apply_feature_view(other, store.project, commit=False)
        other_service = FeatureService(name=f"{service.name}_{number}", features=[other])
        store.registry.apply_feature_service(other_service, store.project, commit=False)
    store.registry.commit()
    return own, store


def _renamed(view: "FeatureView", name: str) -> "FeatureView":
    from feast import FeatureView

    proto = view.to_proto()
    proto.spec.name = name
    return FeatureView.from_proto(proto)


def _methods(
    settings: Settings, store: "FeatureStore", join_key: str, views: int, opened: ExitStack
) -> Iterator[Method]:
    service = settings.feature_service
    source = open_feast_source(settings)
    opened.callback(source.close)

    def looked_up(ids: Sequence[str]) -> list[Row | None]:
        return public_call("feast-rows", store, service, join_key).read(ids)

    reads = {
        LOOKED_UP: looked_up,
        HELD: public_call("feast-rows", store, service, join_key).read,
        PLAN: resolved_read("feast-rows-resolved", source).read,
    }
    for title, read in reads.items():
        yield Method(_name(title, views), title, "", read)


def _results(measured: Measurement, views: Sequence[int]) -> list[dict[str, Any]]:
    taken, results = measured.nanoseconds, []
    for title in (LOOKED_UP, HELD, PLAN):
        for count in views:
            summary = summarize(taken[_name(title, count)])
            first, own = taken[_name(title, views[0])], taken[_name(title, count)]
            ratio = None if count == views[0] else compare(own, first, SEED)
            results.append(
                {
                    "title": title,
                    "views": count,
                    "p50_ms": round(summary.p50_ms, 3),
                    "p99_ms": round(summary.p99_ms, 3),
                    "ratio": None if ratio is None else round(ratio.p50, 3),
                    "ratio_ci95": None
                    if ratio is None
                    else [round(ratio.p50_low, 3), round(ratio.p50_high, 3)],
                }
            )
    return results


def _name(title: str, views: int) -> str:
    return f"{title}, {views} views"
