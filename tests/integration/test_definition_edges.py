"""Names and switches that Feast takes: right from setup to training on either layout, or refused at setup."""

import asyncio
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from card_stores import write_configuration
from cassandra import InvalidRequest
from cassandra.protocol import ConfigurationException
from own_sessions import apply_definitions

from poc.dataset.stored import latest_rows, sample_keys
from poc.definitions import applied_service
from poc.errors import InvalidDefinitions
from poc.feature_store import close_feature_store, open_feature_store
from poc.materialization.plan import RunOptions
from poc.materialization.run import run_materialization
from poc.materialization.servable import BESIDE_KEYS, require_servable
from poc.materialization.verification import check_entities
from poc.model.evaluation import Costs
from poc.model.registry import load_scorer
from poc.model.training import train
from poc.online_store.connection import ConnectionSettings
from poc.online_store.naming import MAX_STOCK_TABLE_NAME, MAX_TABLE_NAME
from poc.online_store.session import Session
from poc.quality.consistency import check_consistency
from poc.quality.validation import prepare_validated
from poc.repository import declared_service
from poc.retrieval.direct_source import open_direct_source
from poc.retrieval.feast_source import open_feast_source
from poc.serving.request_models import PredictionRequest, request_models
from poc.serving.response_models import Judging, NoPrediction, Prediction
from poc.settings import Settings

NOW = datetime.now(timezone.utc).replace(microsecond=0)
ROWS, CARDS = 400, 50
OPENING = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String

def view_of(name, names, key="card_id", **more):
    entity = Entity(name=f"entity of {key}", join_keys=[key], value_type=ValueType.INT64)
    schema = [Field(name=key, dtype=Int64), *(Field(name=item, dtype=Float64) for item in names)]
    stated = {"online": True, "ttl": timedelta(days=300), **more}
    source = FileSource(name=f"source of {name}", path=PATH, timestamp_field="at")
    return entity, FeatureView(name=name, entities=[entity], schema=schema, source=source, **stated)
"""
# Of CQL, of our own tables and bodies, of pydantic and pandas, and what no identifier may have.
NAMES = (
    *("select", "from", "token", "ttl", "writetime", "primary", "Amount", "amount", "AMOUNT", "value"),
    *(
        "entity_key",
        "feature_name",
        "event_ts",
        "created_ts",
        "overrides",
        "features",
        "stale",
        "json",
        "label",
        "probabilities",
    ),
    *("copy", "model_config", "key_0", "feature_0", "index", "level_0", "last_"),
    *("with space", " edges ", "with-hyphen", "größe", "金额", 'quo"te', "o'brien", "a%sb", "is it?"),
    *("{name}", "a.b", "a,b", "a/b", "a\\b", "123", "n" * 200, "true", "null"),
)
TIME = pa.timestamp("us", "UTC")


class Repository:
    """A repository whose features.py is given, over one file with a column for each name."""

    def __init__(self, folder: Path, layout: str, cassandra: ConnectionSettings, keyspace: str) -> None:
        self.folder, self.path = folder / "repo", folder / "rows.parquet"
        self.folder.mkdir()
        self.layout = layout
        write_configuration(self.folder, self.folder / "registry.db", layout, cassandra, keyspace)
        self.settings = Settings(
            _env_file=None,
            feast_repo_path=self.folder,
            data_dir=folder,
            direct_keyspace=keyspace,
            mlflow_tracking_uri=f"sqlite:///{folder}/mlflow.db",
        )

    def write(
        self, text: str, names: tuple[str, ...] = ("a", "b"), key: str = "card_id", **files: str
    ) -> None:
        rows = range(ROWS)
        columns = {name: [float(row % 7 + place) for row in rows] for place, name in enumerate(names)}
        columns |= {key: [row % CARDS for row in rows], "is_fraud": [int(row % 5 == 0) for row in rows]}
        times = pa.array([NOW - timedelta(hours=ROWS - row) for row in rows], TIME)
        pq.write_table(pa.table({**columns, "at": times}), self.path)
        opening = f"PATH = {str(self.path)!r}\n{OPENING}"
        (self.folder / "made.py").write_text(opening)
        (self.folder / "features.py").write_text(f"from made import *\n{text}")
        for name, content in files.items():
            (self.folder / f"{name}.py").write_text(content)

    def set_up(self) -> None:
        store = open_feature_store(self.settings)
        served = declared_service(self.settings)
        require_servable(self.settings, store, served)
        prepare_validated(self.settings, served, NOW)
        apply_definitions(self.settings)

    def require_right(self, session: Session) -> None:
        """Materialize, and compare what is read every way with the source."""
        store = open_feature_store(self.settings)
        run_materialization(self.settings, store, session, RunOptions(), lambda *_: None)
        served = applied_service(store, self.settings.feature_service)
        keys = sample_keys(served, 5)
        checks = list(check_entities(store, served, keys))
        assert [check.differences for check in checks] == [()] * len(keys)
        for view in check_consistency(self.settings, store, session, lambda count: None):
            assert [(item.compared, item.differing) for item in view.stores] == [(CARDS, 0)] * 2
        close_feature_store(store)
        expected = [
            {name: rows[key].values[name] for view in served.views for name in view.names}
            for rows in [latest_rows(served.views[0].definitions)]
            for key in keys
        ]
        for open_source in (open_feast_source, open_direct_source):
            source = open_source(self.settings)
            found = asyncio.run(source.read(keys))
            source.close()
            assert [None if item is None else dict(item.values) for item in found] == expected
        body = dict(zip(served.key_names, keys[0], strict=True)) | {"overrides": {served.names[0]: 2.5}}
        asked = request_models(served).prediction.model_validate_json(json.dumps(body))
        assert (asked.key(), asked.overrides.values()) == (keys[0], {served.names[0]: 2.5})

    def require_trained(self) -> None:
        train(self.settings, Costs(), NOW, lambda line: None)
        served = declared_service(self.settings)
        assert load_scorer(self.settings).inputs == tuple(sorted(served.names))


@pytest.fixture(params=["rows", "stock"])
def repository(
    request: pytest.FixtureRequest, tmp_path: Path, cassandra: ConnectionSettings, keyspace: str
) -> Repository:
    return Repository(tmp_path, request.param, cassandra, keyspace)


def test_features_of_any_name_are_right_from_setup_to_training(
    repository: Repository, session: Session
) -> None:
    text = f"entity, view = view_of('cards', {NAMES!r})\n"
    text += 'service = FeatureService(name="fraud_detection_v1", features=[view])\n'
    repository.write(text, NAMES)
    repository.set_up()
    repository.require_right(session)
    repository.require_trained()


@pytest.mark.parametrize("key", ["select", "Card Id", "card-id", "größe", "key_0", "entity_key", "value"])
def test_join_key_of_any_name_is_right(repository: Repository, session: Session, key: str) -> None:
    text = f"entity, view = view_of('cards', ['a', 'b'], {key!r})\n"
    text += 'service = FeatureService(name="fraud_detection_v1", features=[view])\n'
    repository.write(text, key=key)
    repository.set_up()
    repository.require_right(session)


# The longest view whose table in the stock layout Cassandra takes.
LONGEST = MAX_STOCK_TABLE_NAME - len("cards_project_")
VIEWS = ("select", "Cards", "cards2", "generations", "v" * 33, "v" * 60, "v" * LONGEST)
# What Cassandra takes for no table's name.
ODD_VIEWS = ("card view", "card-view", "größe", "a.b", "v" * (LONGEST + 1), 'quo"te', "o'brien")


def test_longest_names_are_those_that_cassandra_takes(session: Session) -> None:
    copies = "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    taken = "n" * MAX_TABLE_NAME
    session.execute(f"CREATE KEYSPACE {taken} WITH replication = {copies}")
    try:
        with pytest.raises(InvalidRequest, match="48"):
            session.execute(f"CREATE KEYSPACE {taken}n WITH replication = {copies}")
        table = "t" * MAX_STOCK_TABLE_NAME
        session.execute(f"CREATE TABLE {taken}.{table} (id int PRIMARY KEY)")
        # Cassandra 4 takes a longer one, and then cannot find it.
        if session.execute("SELECT release_version FROM system.local").one()[0] >= "5":
            with pytest.raises(ConfigurationException, match="more than 222"):
                session.execute(f"CREATE TABLE {taken}.{table}t (id int PRIMARY KEY)")
    finally:
        session.execute(f"DROP KEYSPACE {taken}")


@pytest.mark.parametrize("name", ["system", "system_schema"])
def test_keyspace_of_cassandras_own_is_refused_at_setup(
    repository: Repository, cassandra: ConnectionSettings, name: str
) -> None:
    folder = repository.folder
    write_configuration(folder, folder / "registry.db", repository.layout, cassandra, name)
    text = "entity, view = view_of('cards', ['a'])\n"
    repository.write(text + 'service = FeatureService(name="fraud_detection_v1", features=[view])\n')
    with pytest.raises(InvalidDefinitions, match=f"online_store.keyspace: '{name}' is "):
        repository.set_up()


@pytest.mark.parametrize("name", [*VIEWS, *ODD_VIEWS])
def test_view_of_any_name_is_right_or_refused_at_setup(
    repository: Repository, session: Session, name: str
) -> None:
    text = f"entity, view = view_of({name!r}, ['a', 'b'])\n"
    text += 'service = FeatureService(name="fraud_detection_v1", features=[view])\n'
    repository.write(text)
    if repository.layout == "stock" and name in ODD_VIEWS:
        with pytest.raises(InvalidDefinitions, match="rename the view, or take the row store"):
            repository.set_up()
        assert open_feature_store(repository.settings).list_feature_views() == []
        return
    repository.set_up()
    repository.require_right(session)


def test_view_that_no_service_takes_is_held_to_the_same(repository: Repository) -> None:
    text = "entity, view = view_of('cards', ['a'])\n"
    text += "other = view_of('two words', ['b'])[1]\n"
    text += 'service = FeatureService(name="fraud_detection_v1", features=[view])\n'
    repository.write(text)
    if repository.layout == "stock":
        with pytest.raises(InvalidDefinitions, match="two words"):
            repository.set_up()
    else:
        repository.set_up()


SERVICES = {
    "keys renamed": "service = FeatureService(name='fraud_detection_v1',"
    " features=[view.with_join_key_map({'card_id': 'Sender Card'})])",
    "an alias": "service = FeatureService(name='fraud_detection_v1',"
    " features=[view.with_name('other name')])",
    "some features": "service = FeatureService(name='fraud_detection_v1', features=[view[['b']]])",
    "a view without ttl": "view = view_of('cards', ['a', 'b'], ttl=timedelta(0))[1]\n"
    "service = FeatureService(name='fraud_detection_v1', features=[view])",
    "descriptions": "view = view_of('cards', ['a', 'b'], description=\"it's\\na 'view'\", owner=\"o'b\","
    " tags={'a b': \"c'd\"})[1]\n"
    "service = FeatureService(name='fraud_detection_v1', features=[view])",
    "an unserved view that is not online": "other = view_of('others', ['a'], online=False)[1]\n"
    "service = FeatureService(name='fraud_detection_v1', features=[view])",
    "a service in another file": "",
}


@pytest.mark.parametrize("service", SERVICES)
def test_service_in_any_form_is_right(repository: Repository, session: Session, service: str) -> None:
    text = "entity, view = view_of('cards', ['a', 'b'])\n" + SERVICES[service]
    apart = "from feast import FeatureService\nfrom features import view\n"
    apart += "service = FeatureService(name='fraud_detection_v1', features=[view])\n"
    repository.write(text, **({} if SERVICES[service] else {"services": apart}))
    repository.set_up()
    repository.require_right(session)


SERVED = "service = FeatureService(name='fraud_detection_v1', features=[view])\n"
ON_DEMAND = """
@on_demand_feature_view(sources=[view], schema=[Field(name="twice", dtype=Float64)])
def computed(inputs):
    return inputs[["a"]].rename(columns={"a": "twice"})
service = FeatureService(name="fraud_detection_v1", features=[computed])
"""
REFUSED: dict[str, tuple[str, str]] = {
    "event_timestamp": (
        "entity, view = view_of('cards', ['a', 'event_timestamp'])\n" + SERVED,
        "event_timestamp, which is a time of the row itself",
    ),
    "created_timestamp": (
        "entity, view = view_of('cards', ['a', 'created_timestamp'])\n" + SERVED,
        "created_timestamp, which is a time of the row itself",
    ),
    "key of the answer": (
        "entity, view = view_of('cards', ['a'], 'overrides')\n" + SERVED,
        "has a join key 'overrides', as requests or answers have already",
    ),
    "a name twice": (
        "entity, view = view_of('cards', ['a', 'a'])\n" + SERVED,
        "has a more than once",
    ),
    "a colon in a feature": ("entity, view = view_of('cards', ['a:b'])\n" + SERVED, "'a:b' apart"),
    "a colon in a view": ("entity, view = view_of('c:d', ['a'])\n" + SERVED, "'c:d' apart|rename the view"),
    "two underscores": (
        "entity, view = view_of('cards', ['a__b', '_c'])\n" + SERVED,
        "leave out '_c', 'a__b', for the underscores",
    ),
    "a view alone on demand": (
        "entity, view = view_of('cards', ['a'])\n" + ON_DEMAND,
        "computed, which is computed on demand",
    ),
    "an empty service": (
        "entity, view = view_of('cards', ['a'])\n"
        "service = FeatureService(name='fraud_detection_v1', features=[])\n",
        "takes no features",
    ),
    "not online": ("entity, view = view_of('cards', ['a'], online=False)\n" + SERVED, "online=False"),
    "a view in a list": (
        "views = [view_of('cards', ['a'])[1]]\n"
        "service = FeatureService(name='fraud_detection_v1', features=views)\n",
        "cards, which no file of the repository has as a variable of its own",
    ),
    "names that differ in case": (
        "entity, view = view_of('cards', ['a'])\nother = view_of('Cards', ['b'])[1]\n" + SERVED,
        "(?i)case",
    ),
    "an empty name": ("entity, view = view_of('cards', ['a', ''])\n" + SERVED, "without a name"),
    "a view without a name": ("entity, view = view_of('', ['a'])\n" + SERVED, "name"),
}


@pytest.mark.parametrize("definitions", REFUSED)
def test_what_cannot_be_served_is_refused_at_setup_with_the_reason(
    repository: Repository, definitions: str
) -> None:
    text, said = REFUSED[definitions]
    of_the_row = (definitions,) if definitions.endswith("_timestamp") else ()
    repository.write(text, ("a", "b", *of_the_row))
    with pytest.raises(InvalidDefinitions, match=said):
        repository.set_up()
    assert open_feature_store(repository.settings).list_feature_views() == []


def test_names_that_bodies_have_are_known() -> None:
    answers = {name for model in (Prediction, Judging, NoPrediction) for name in model.model_fields}
    asked = {name for name, field in PredictionRequest.model_fields.items() if field.alias is None}
    assert answers | asked == BESIDE_KEYS
