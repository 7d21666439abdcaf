"""The users' scripts in a broken environment, over a broken registry or model store: each says which it is.

No traceback reaches the screen, and none ends with 0 that could not do its work. What a broken yaml,
features.py or data file does is tried in unit/test_broken_inputs.py. BROKEN_EXAMPLES tries more of what the
generators make.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from broken_files import Break, as_folder, cut, spoiled, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poc.dataset.generate import generate_records
from poc.definitions import ServedFeatures
from poc.settings import Settings

EXAMPLES = int(os.environ.get("BROKEN_EXAMPLES", "10"))
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="BROKEN_EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
pytestmark = pytest.mark.timeout(1800)

CSV = "data/credit_card_fraud_10k.csv"
REGISTRY = "data/registry.db"
MLFLOW = "data/mlflow.db"
SCRIPTS = {
    "setup": "scripts/feast_setup.py",
    "materialize": "scripts/feast_materialize.py",
    "test": "scripts/test_feast.py",
    "consistency": "scripts/check_consistency.py",
    "freshness": "scripts/check_freshness.py",
    "shown": "scripts/show_materializations.py",
    "validate": "scripts/validate_features.py",
    "sample": "scripts/sample_transaction.py",
    "log": "scripts/log_features.py --transactions 5",
    "train": "poc/train_fraud_model.py",
}


@dataclass(frozen=True)
class Place:
    """A project in which every step was done, and its state to come back to."""

    work: Any
    kept: Path

    def run(self, script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        stated = " ".join(shlex.quote(f"{name}={text}") for name, text in variables.items())
        done: subprocess.CompletedProcess[str] = self.work.shell(
            f"env {stated} python {SCRIPTS[script]}", check=False
        )
        return done

    def restore(self) -> None:
        for folder in ("data", "feature_repo"):
            shutil.rmtree(self.work.folder / folder)
            shutil.copytree(self.kept / folder, self.work.folder / folder, symlinks=True)


@pytest.fixture(scope="module")
def prepared(workplace: Any, definitions: ServedFeatures, tmp_path_factory: pytest.TempPathFactory) -> Place:
    ids = [str(number) for number in range(1, 2001)]
    records = generate_records(definitions.feature_sets[0], 1, ids)
    records.to_csv(workplace.folder / CSV, index=False)
    for script in ("setup", "materialize", "train"):
        workplace.shell(f"python {SCRIPTS[script]}")
    kept = tmp_path_factory.mktemp("kept")
    for folder in ("data", "feature_repo"):
        shutil.copytree(workplace.folder / folder, kept / folder, symlinks=True)
    return Place(workplace, kept)


@pytest.fixture
def place(prepared: Place) -> Iterator[Place]:
    yield prepared
    prepared.restore()


def require_told(done: "subprocess.CompletedProcess[str]", named: tuple[str, ...] = ()) -> None:
    """Hold what a script says of something broken: it ends well, or tells what is wrong in two lines."""
    shown = f"{done.args}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in shown, shown
    assert done.returncode in (0, 1, 2), shown
    if done.returncode:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("✗")]
        assert said, shown
        assert not said[-1].startswith("✗ While"), f"not foreseen: {shown}"
        if named:
            assert any(name in shown for name in named), shown


RECORDS: dict[str, Break] = {
    "empty": write(b""),
    "binary": write(bytes(range(256)) * 20),
    "cut": cut(0.5),
    "text": write(b"not a registry\n"),
    "a folder": as_folder,
}


@pytest.mark.parametrize("broken", RECORDS)
@pytest.mark.parametrize("script", ["setup", "materialize", "freshness"])
@pytest.mark.fault(
    "Registry", "empty, binary, truncated, text, a folder", "the script names the file and the way out"
)
def test_broken_registry_is_told_by_its_path(place: Place, broken: str, script: str) -> None:
    RECORDS[broken](place.work.folder / REGISTRY)
    require_told(place.run(script), (REGISTRY, "The feature registry has no feature service"))


def test_registry_that_the_disk_refuses_is_told_by_its_path(place: Place) -> None:
    done = place.work.shell(f"ulimit -f 1; python {SCRIPTS['setup']}", check=False)
    require_told(done)
    assert f"✗ Cannot use Feast's registry feature_repo/{REGISTRY}: [Errno 27] File too large" in done.stderr


@pytest.mark.parametrize("broken", RECORDS)
@pytest.mark.fault(
    "Model", "mlflow.db empty, binary, truncated, text, a folder", "the script names the file and the way out"
)
def test_broken_model_store_is_told_by_its_path(place: Place, broken: str) -> None:
    RECORDS[broken](place.work.folder / MLFLOW)
    require_told(place.run("train"), (MLFLOW,))


@pytest.mark.parametrize("script", ["materialize", "train"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("DATA_DIR", "/proc/nowhere"),
        ("DATA_DIR", "README.md"),
        ("FEAST_REPO_PATH", "nowhere"),
        ("FEAST_REPO_PATH", "README.md"),
        ("FEAST_FS_YAML_FILE_PATH", "nowhere.yaml"),
        ("FEAST_FS_YAML_FILE_PATH", "data"),
        ("FEATURE_SERVICE", "nothing of that name"),
        ("CASSANDRA_HOSTS", "nowhere.invalid"),
        ("CASSANDRA_HOSTS", "::::"),
        ("CASSANDRA_PORT", "many"),
        ("CASSANDRA_PORT", "1"),
        ("CASSANDRA_USERNAME", "somebody"),
        ("CASSANDRA_PASSWORD_FILE", "/nowhere"),
        ("DIRECT_KEYSPACE", "my-features"),
        ("DIRECT_KEYSPACE", "k" * 60),
        ("MLFLOW_TRACKING_URI", "sqlite:////proc/nowhere/mlflow.db"),
        ("MLFLOW_TRACKING_URI", "nothing://of.that.kind"),
        ("MLFLOW_TRACKING_URI", "http://127.0.0.1:1"),
        ("MODEL_NAME", "a/b:c"),
        ("MODEL_ALIAS", "v1"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_setting_that_cannot_work_is_told(place: Place, script: str, name: str, text: str) -> None:
    require_told(place.run(script, **{name: text}), (name, text, name.lower(), "feature_store.yaml"))


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["-1", "0", "1e9", "nan", "true", " ", "/", "..", "a b", "'", '"', "%s", "{}", "[]", "http://", "::1"]
)
variables = st.dictionaries(
    st.sampled_from([name.upper() for name in Settings.model_fields if name != "cassandra_dir"]),
    texts,
    min_size=1,
    max_size=2,
)


@bounded
@given(script=st.sampled_from(sorted(SCRIPTS)), stated=variables)
def test_any_environment_is_used_or_told(place: Place, script: str, stated: dict[str, str]) -> None:
    try:
        require_told(place.run(script, **stated))
    finally:
        place.restore()


@bounded
@given(script=st.sampled_from(["setup", "materialize", "test", "train"]), data=st.data())
@pytest.mark.fault("Registry", "any bytes changed, cut or repeated", "used or refused by name, no traceback")
def test_any_spoiled_registry_is_used_or_told(place: Place, script: str, data: st.DataObject) -> None:
    path = place.work.folder / REGISTRY
    path.write_bytes(data.draw(spoiled(path.read_bytes())))
    try:
        require_told(place.run(script))
    finally:
        place.restore()
