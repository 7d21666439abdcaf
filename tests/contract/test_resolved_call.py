"""The resolved call against Feast's own: the same answers and the same errors, whatever is asked of what."""

import asyncio
import json
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from answers import looked_at, outcome
from feast import FeatureStore, RepoConfig, feature_server
from feast.online_response import OnlineResponse
from generated_repository import COMMON_KEYS, OTHER_KEYS, Repository, Request, repositories, requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from own_keyspace import own_keyspace
from starlette.testclient import TestClient

from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import cassandra_session

pytestmark = pytest.mark.filterwarnings("ignore:Stream feature views are")

RESOLVING = "poc.online_store.provider.ResolvingProvider"
ROWS = "poc.online_store.row_store.CassandraRowOnlineStore"
REPOSITORIES, REQUESTS = 7, 12
# Shrinking would make tables for each attempt, for minutes.
BOUNDED = settings(
    max_examples=REPOSITORIES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


class Twins:
    """Two feature stores on one registry and one online store: `ours` resolves, `feasts` is Feast's own."""

    def __init__(self, kind: str, cassandra: ConnectionSettings, keyspace: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder
        online = {
            "type": ROWS if kind == "rows" else "cassandra",
            "hosts": list(cassandra.hosts),
            "port": cassandra.port,
            "keyspace": keyspace,
        }
        if kind == "sqlite":
            online = {"type": "sqlite", "path": str(folder / "online.db")}
        self._online = online
        self.ours, self.feasts = self.open(RESOLVING), self.open("local")
        if kind == "stock":
            # Feast's own store connects with no patience at all, which a loaded machine needs.
            own = self.feasts._get_provider().online_store
            own._session = self.ours._get_provider().online_store.session(self.ours.config)
            own._cluster, own._keyspace = own._session.cluster, keyspace
        self.numbers = count()

    def open(self, provider: str, **registry: Any) -> FeatureStore:
        """Open one more store on the same registry."""
        return FeatureStore(
            config=RepoConfig(
                project="poc",
                provider=provider,
                registry={"path": str(self.folder / "registry.db"), "cache_ttl_seconds": 0} | registry,
                online_store=self._online,
                entity_key_serialization_version=2,
                offline_store={"type": "file"},
            )
        )

    def fill(self, repository: Repository) -> str:
        """Apply and write `repository`, and return the prefix of its views' names."""
        prefix = f"r{next(self.numbers)}_"
        # A registry that grew with each example would take most of the time.
        for known in views_of(self.ours):
            self.ours._registry.delete_feature_view(known, "poc", commit=False)
        self.ours.apply(repository.objects(prefix))
        self.feasts.refresh_registry()
        provider = self.ours._get_provider()
        views = views_of(self.ours)
        for view in repository.views:
            rows = repository.rows(view)
            if rows:
                provider.online_write_batch(self.ours.config, views[prefix + view.name], rows, None)
        return prefix

    def close(self) -> None:
        for store in (self.ours, self.feasts):
            online = store._get_provider().online_store
            if hasattr(online, "close"):
                online.close()


@pytest.fixture(scope="module", params=["rows", "stock", "sqlite"])
def twins(
    request: pytest.FixtureRequest, cassandra: ConnectionSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Twins]:
    with cassandra_session(cassandra) as session, own_keyspace(session) as keyspace:
        made = Twins(request.param, cassandra, keyspace, tmp_path_factory.mktemp("twins"))
        yield made
        made.close()


def views_of(store: FeatureStore) -> dict[str, Any]:
    """Return the views by name, as an engine gets them: with the key of those without entities."""
    views = [
        *store._list_feature_views(hide_dummy_entity=False),
        *store._list_stream_feature_views(hide_dummy_entity=False),
    ]
    return {view.name: view for view in views}


def ask(twins: Twins, store: FeatureStore, request: Request) -> Callable[[], OnlineResponse]:
    """Return the call of `request` as a method of `store`, by columns as Feast's own server makes it."""
    features: Any = list(request.features)
    if request.by_service:
        features = request.service("asked", views_of(store))
        twins.ours.apply([features])
        twins.feasts.refresh_registry()
    values = {name: list(content) for name, content in request.values.items()}
    return lambda: store._get_online_features(
        features=features, entity_values=values, full_feature_names=request.full
    )


@pytest.mark.parametrize("keys", [COMMON_KEYS, OTHER_KEYS], ids=["common keys", "other keys"])
@BOUNDED
@given(data=st.data())
def test_answers_and_errors_are_feasts_own(
    twins: Twins, loop: asyncio.AbstractEventLoop, keys: tuple[Any, ...], data: st.DataObject
) -> None:
    if keys is OTHER_KEYS and twins.kind != "rows":
        return  # Feast's key encoding does not know them.
    repository = data.draw(repositories(keys))
    prefix = twins.fill(repository)
    for _ in range(REQUESTS):
        request = data.draw(requests(repository, prefix))
        expected = outcome(ask(twins, twins.feasts, request), looked_at)
        call = ask(twins, twins.ours, request)
        assert outcome(call, looked_at) == expected
        # The plan is there now.
        assert outcome(call, looked_at) == expected
        features: Any = list(request.features)
        if request.by_service:
            features = twins.ours.get_feature_service("asked")
        awaited = outcome(
            lambda features=features, request=request: asyncio.run_coroutine_threadsafe(
                twins.ours._get_online_features_async(
                    features=features,
                    entity_values={name: list(content) for name, content in request.values.items()},
                    full_feature_names=request.full,
                ),
                loop,
            ).result(30),
            looked_at,
        )
        if twins.kind != "sqlite":
            assert awaited == expected


@BOUNDED
@given(data=st.data())
def test_feature_server_answers_as_feasts_own_does(twins: Twins, data: st.DataObject) -> None:
    repository = data.draw(repositories(COMMON_KEYS))
    prefix = twins.fill(repository)
    # On one event loop each, as a server has it: what is awaited belongs to it.
    stores = twins.ours, twins.feasts
    apps = [TestClient(feature_server.get_app(store), raise_server_exceptions=False) for store in stores]
    assert [len(app.app.routes) for app in apps] == [len(apps[1].app.routes) + 1, len(apps[1].app.routes)]
    for app in apps:
        app.__enter__()
    try:
        for _ in range(REQUESTS):
            request = data.draw(requests(repository, prefix))
            ask(twins, twins.feasts, request)
            body: dict[str, Any] = {"entities": request.values, "full_feature_names": request.full}
            body |= {"feature_service": "asked"} if request.by_service else {"features": request.features}
            text = json.dumps(body, default=str)
            # The first read is answered in a thread, the others on the loop.
            ours, again, feasts = (
                app.post("/get-online-features", content=text) for app in (apps[0], apps[0], apps[1])
            )
            assert said(ours) == said(again) == said(feasts)
    finally:
        for app in apps:
            app.__exit__()


def said(answer: httpx.Response) -> Any:
    """Return what a feature server said, but for the order of its columns."""
    try:
        content = answer.json()
    except ValueError:
        return answer.status_code, answer.text
    if answer.status_code != httpx.codes.OK:
        return answer.status_code, content
    names = content["metadata"]["feature_names"]
    columns = sorted(zip(names, map(json.dumps, content["results"]), strict=True))
    return answer.status_code, columns
