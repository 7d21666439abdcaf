"""A service of three views, Int64 and composite keys among theirs, through every script and server."""

import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from own_environment import own_environment
from own_keyspace import drop_keyspaces
from ports import free_port
from second_repository import SecondRepository, write_second_repository
from server_process import ServerProcess
from warm_python import warm

from poc.feature_store import open_feature_store
from poc.model.registry import load_scorer
from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import Session
from poc.repository import declared_service
from poc.settings import Settings

pytestmark = pytest.mark.timeout(1800)

ROOT = Path(__file__).parents[2]
SERVERS = {"feast": "poc/serve_model_feast.py", "direct": "poc/serve_model.py"}
# Feast and MLflow together, on a busy machine.
START_SECONDS = 300.0
UNKNOWN = {"transaction_id": "nobody", "card_id": 1, "merchant_id": "nowhere"}


@dataclass(frozen=True)
class Workshop:
    """The second repository, and keyspaces of its own."""

    folder: Path
    repository: SecondRepository
    online: str
    direct: str

    @property
    def variables(self) -> dict[str, str]:
        return {
            "FEAST_REPO_PATH": str(self.repository.folder),
            "DIRECT_KEYSPACE": self.direct,
            "MLFLOW_TRACKING_URI": f"sqlite:///{self.folder}/mlflow.db",
            "DATA_DIR": "data",
            "FEATURE_TIMEOUT_SECONDS": "20",
        }

    @property
    def settings(self) -> Settings:
        return self.repository.settings(direct_keyspace=self.direct)

    def run(self, script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a script of the project in the folder, as a person does."""
        return subprocess.run(
            [warm("python"), str(ROOT / script), *arguments],
            cwd=self.folder,
            env=own_environment() | self.variables | variables,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def run_well(self, script: str, *arguments: str) -> str:
        """Run a script that must end with status 0; what it printed to standard output."""
        done = self.run(script, *arguments)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def expected(self, keys: Mapping[str, Any]) -> dict[str, Any]:
        """The newest features of these keys, from the sources."""
        found: dict[str, Any] = {}
        for view in declared_service(self.settings).views:
            definitions = view.definitions
            rows = self.repository.tables[definitions.view].to_pandas()
            for name in view.request_keys:
                rows = rows[rows[name] == keys[name]]
            newest = rows.sort_values("timestamp").iloc[-1]
            found |= {
                name: newest[name].item() if hasattr(newest[name], "item") else newest[name]
                for name in view.names
            }
        return found


@contextmanager
def workshop(folder: Path, cassandra: ConnectionSettings, **more: Any) -> Iterator[Workshop]:
    online, direct = (f"any_{kind}_{uuid.uuid4().hex[:8]}" for kind in ("online", "direct"))
    repository = write_second_repository(
        folder / "feature_repo", hosts=cassandra.hosts, port=cassandra.port, keyspace=online, **more
    )
    try:
        yield Workshop(folder, repository, online, direct)
    finally:
        drop_keyspaces(cassandra, (online, direct))


@pytest.fixture(scope="module", params=["rows", "stock"])
def filled(
    request: pytest.FixtureRequest, cassandra: ConnectionSettings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    """Set up, materialized and trained, on each layout of the online store."""
    folder = tmp_path_factory.mktemp(f"any-{request.param}")
    with workshop(folder, cassandra, layout=request.param) as made:
        made.run_well("scripts/feast_setup.py")
        made.run_well("scripts/feast_materialize.py")
        made.run_well("poc/train_fraud_model.py")
        yield made


@pytest.fixture(scope="module", params=list(SERVERS))
def server(request: pytest.FixtureRequest, filled: Workshop) -> Iterator[ServerProcess]:
    started = ServerProcess(SERVERS[request.param], free_port(), filled.variables, filled.folder)
    try:
        started.wait_until_ready(START_SECONDS)
        yield started
    finally:
        started.kill()


def test_prediction_is_asked_by_the_services_keys_and_judged_by_every_view(
    filled: Workshop, server: ServerProcess
) -> None:
    keys = filled.repository.keys[-1]
    answer = server.client.post("/predict", json=keys)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert {name: body[name] for name in keys} == keys
    assert body["features"] == pytest.approx(filled.expected(keys))
    [score] = load_scorer(filled.settings).score([body["features"]])
    assert body["fraud_probability"] == pytest.approx(score)


def test_sample_is_what_the_server_takes(filled: Workshop, server: ServerProcess) -> None:
    said = filled.run_well("scripts/sample_transaction.py", "--json")
    headers = {"Content-Type": "application/json"}
    answer = server.client.post("/predict", content=said.strip().splitlines()[-1], headers=headers)
    assert answer.status_code == 200, answer.text


def test_batch_judges_each_entity_as_by_itself_and_names_the_unknown(
    filled: Workshop, server: ServerProcess
) -> None:
    rows = [*filled.repository.keys[-3:], UNKNOWN]
    answer = server.client.post("/predict/batch", json={"entity_rows": rows})
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    alone = [server.client.post("/predict", json=keys) for keys in rows]
    assert [item.get("fraud_probability") for item in predictions] == [
        item.json().get("fraud_probability") for item in alone
    ]
    assert [item.status_code for item in alone] == [200, 200, 200, 404]
    assert predictions[-1]["error"]["status"] == 404
    assert {name: predictions[-1][name] for name in UNKNOWN} == UNKNOWN


def test_inference_protocol_takes_a_tensor_for_each_key(filled: Workshop, server: ServerProcess) -> None:
    rows = filled.repository.keys[-2:]
    inputs = [
        {
            "name": name,
            "datatype": "INT64" if name == "card_id" else "BYTES",
            "shape": [len(rows)],
            "data": [keys[name] for keys in rows],
        }
        for name in rows[0]
    ]
    described = server.get("/v2/models/fraud_detection").json()["inputs"]
    assert {item["name"]: item["datatype"] for item in described} == {
        item["name"]: item["datatype"] for item in inputs
    }
    answer = server.client.post("/v2/models/fraud_detection/infer", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    outputs = {item["name"]: item["data"] for item in answer.json()["outputs"]}
    alone = [server.client.post("/predict", json=keys).json()["fraud_probability"] for keys in rows]
    assert outputs["fraud_probability"] == alone


@pytest.mark.parametrize(
    "wrong",
    [{"card_id": "5000000000"}, {"card_id": 5e9 + 0.5}, {"card_id": 2**63}, {"card_id": None}, {"cards": 1}],
)
def test_key_of_another_type_is_refused(
    filled: Workshop, server: ServerProcess, wrong: dict[str, Any]
) -> None:
    answer = server.client.post("/predict", json={**filled.repository.keys[-1], **wrong})
    assert answer.status_code == 422, answer.text


def test_feature_of_any_view_can_be_overridden(filled: Workshop, server: ServerProcess) -> None:
    asked = {
        **filled.repository.keys[-1],
        "overrides": {"amount": 880.0, "card_payments": 0, "pair_share": 0.5},
    }
    body = server.client.post("/predict", json=asked).json()
    assert sorted(body["overridden"]) == ["amount", "card_payments", "pair_share"]
    assert (body["features"]["card_payments"], body["features"]["pair_share"]) == (0, 0.5)


def test_both_servers_give_the_same_scores(filled: Workshop) -> None:
    rows = filled.repository.keys[-50:]
    found: dict[str, list[float]] = {}
    for source, script in SERVERS.items():
        started = ServerProcess(script, free_port(), filled.variables, filled.folder)
        try:
            started.wait_until_ready(START_SECONDS)
            answer = started.client.post("/predict/batch", json={"entity_rows": rows})
            found[source] = [item["fraud_probability"] for item in answer.json()["predictions"]]
        finally:
            started.kill()
    assert found["feast"] == found["direct"]


def test_console_knows_explains_and_races_with_transactions_of_the_service(
    filled: Workshop, server: ServerProcess
) -> None:
    examples = server.get("/console/examples")
    assert examples.status_code == 200, examples.text
    keys = filled.repository.keys[-1]
    found = server.client.post("/console/explain", json=keys)
    assert found.status_code == 200, found.text
    assert set(found.json()["contributions"]["log_odds"]) == set(load_scorer(filled.settings).inputs)
    race = server.client.post("/console/race", json={"entity_rows": [keys], "reads": 5})
    assert race.status_code == 200, race.text


def test_guides_retrieval_script_reads_the_service(filled: Workshop) -> None:
    assert "✓" in filled.run_well("scripts/test_feast.py")


def test_methods_compared_give_the_same_values(filled: Workshop) -> None:
    said = filled.run_well("scripts/compare_feast_cassandra.py", "--requests", "50", "--batch-sizes", "1")
    assert "✓ Same values all ways" in said


def test_consistency_check_holds_every_view(filled: Workshop) -> None:
    said = filled.run_well("scripts/check_consistency.py")
    for definitions in declared_service(filled.settings).feature_sets:
        assert definitions.view in said


def test_validation_holds_every_source_to_the_training_data(filled: Workshop) -> None:
    filled.run_well("scripts/validate_features.py")


def test_second_materialization_finds_nothing_new(filled: Workshop) -> None:
    filled.run_well("scripts/feast_materialize.py")
    filled.run_well("scripts/check_freshness.py")


def test_value_changed_behind_feast_is_found(filled: Workshop, session: Session) -> None:
    table = f"{filled.direct}.second_project__card_aggregates__direct"
    key = filled.repository.keys[-1]["card_id"]
    before = session.execute(f"SELECT card_payments FROM {table} WHERE card_id = {key}").one()[0]
    change = f"UPDATE {table} SET card_payments = %s WHERE card_id = {key}"
    session.execute(change, (before + 1,))
    try:
        done = filled.run("scripts/check_consistency.py")
        assert done.returncode == 1
        assert str(key) in done.stdout + done.stderr
    finally:
        session.execute(change, (before,))


ON_DEMAND = '''"""A feature that is computed when it is asked for."""

import pandas as pd
from features import transaction_features
from feast import FeatureService, Field
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64


@on_demand_feature_view(sources=[transaction_features], schema=[Field(name="doubled", dtype=Float64)])
def doubled_amount(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"doubled": rows["amount"] * 2})


with_doubled = FeatureService(name="with_doubled", features=[transaction_features, doubled_amount])
'''


def require_nothing_written(made: Workshop, session: Session) -> None:
    known = {row[0] for row in session.execute("SELECT keyspace_name FROM system_schema.keyspaces")}
    assert known.isdisjoint({made.online, made.direct})
    store = open_feature_store(made.settings)
    assert (store.list_entities(), store.list_feature_views(), store.list_feature_services()) == ([], [], [])


def test_service_over_an_on_demand_view_is_refused_at_setup(
    cassandra: ConnectionSettings, session: Session, tmp_path: Path
) -> None:
    with workshop(tmp_path, cassandra) as made:
        (made.repository.folder / "on_demand.py").write_text(ON_DEMAND)
        done = made.run("scripts/feast_setup.py", FEATURE_SERVICE="with_doubled")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "doubled_amount, which is computed on demand" in done.stderr
        require_nothing_written(made, session)


def test_service_whose_views_share_a_feature_name_is_refused_at_setup(
    cassandra: ConnectionSettings, session: Session, tmp_path: Path
) -> None:
    with workshop(tmp_path, cassandra) as made:
        aggregates = made.repository.folder / "aggregates.py"
        aggregates.write_text(aggregates.read_text().replace('"card_mean_amount"', '"amount"'))
        cards = pd.read_parquet(path := made.repository.folder / "data" / "card_aggregates.parquet")
        cards.rename(columns={"card_mean_amount": "amount"}).to_parquet(path)
        done = made.run("scripts/feast_setup.py")
        assert done.returncode == 1, done.stdout + done.stderr
        assert "has amount of more than one view" in done.stderr
        require_nothing_written(made, session)
