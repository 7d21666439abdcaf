from pathlib import Path

import pytest
from small_model import register

from poc.definitions import ServedFeatures
from poc.errors import ModelUnusable
from poc.model.registry import load_scorer
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
