import subprocess
import sys
from pathlib import Path

import pytest
from small_model import register

from poc.definitions import ServedFeatures
from poc.errors import ModelNotOurs, ModelUnusable
from poc.model.registry import load_scorer
from poc.model.tracking import open_client
from poc.settings import Settings


@pytest.mark.fault("Model", "its file was changed after it was registered", "refused: it has another hash")
def test_model_file_that_was_changed_after_it_was_registered_is_not_served(
    tmp_path: Path, definitions: ServedFeatures
) -> None:
    settings = Settings(
        _env_file=None, data_dir=tmp_path, mlflow_tracking_uri=f"sqlite:///{tmp_path}/mlflow.db"
    )
    register(settings, definitions)
    assert load_scorer(settings).version == "1"
    [file] = tmp_path.rglob("model.onnx")
    # A byte that nothing else would notice: it is in a name.
    content = file.read_bytes()
    file.write_bytes(content.replace(b"Clothing", b"clothing", 1))
    assert file.read_bytes() != content
    with pytest.raises(ModelUnusable, match="is not the one that was registered"):
        load_scorer(settings)


def test_model_of_somebody_else_is_told_and_keeps_its_alias(tmp_path: Path, root: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    settings = Settings(_env_file=None, data_dir=tmp_path, mlflow_tracking_uri=uri)
    client = open_client(settings)
    run_id = client.create_run(client.create_experiment("theirs", (tmp_path / "theirs").as_uri())).info.run_id
    client.create_registered_model("fraud_detection")
    client.create_model_version("fraud_detection", f"runs:/{run_id}/model", run_id)
    client.set_registered_model_alias("fraud_detection", "champion", "1")
    with pytest.raises(ModelNotOurs, match=r"version 1 is none .*no model/model\.onnx"):
        load_scorer(settings)
    done = subprocess.run(
        [sys.executable, root / "poc/train_fraud_model.py", "--if-none"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "MLFLOW_TRACKING_URI": uri, "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "It stays the champion. Set MODEL_ALIAS or MODEL_NAME for one of ours" in done.stderr
    assert client.get_model_version_by_alias("fraud_detection", "champion").run_id == run_id
