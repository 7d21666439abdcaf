"""Models that cannot be trained, kept or used."""

from collections.abc import Sequence
from pathlib import Path

from poc.errors.base import PocError

RIGHT_VERSIONS = "Install the versions of requirements-poc.txt: pip install -r requirements-poc.txt"


class ModelMismatch(PocError):
    """The model wants a feature that the source does not give, or gives as another type."""

    way_out = "Train one on the present features: python poc/train_fraud_model.py"

    def __init__(self, model: str, missing: Sequence[str]) -> None:
        needed = ", ".join(missing)
        super().__init__(f"Model {model} needs {needed}, which the features do not have as it was trained on")


class NotExplainable(PocError):
    """It cannot be said how much each input contributed to a score."""


class LabelsUnavailable(PocError):
    """The offline data cannot say which transactions were fraud."""

    way_out = (
        "Let one source, and no other, say which payments were fraud (is_fraud: 1, others 0); then:"
        " python scripts/feast_setup.py && python poc/train_fraud_model.py"
    )

    def __init__(self, paths: Sequence[Path], reason: str, way_out: str | None = None) -> None:
        super().__init__(f"No labels in {', '.join(map(str, paths))}: {reason}", way_out)


class DefinitionsChanged(PocError):
    """The repository's files say something else than the registry, so a model's lineage would be wrong."""

    way_out = "Apply the definitions: python scripts/feast_setup.py"


class TooFewExamples(PocError):
    """A part of the labelled data is too small to learn from or to judge by."""

    way_out = "Train on more data, or on data in which payments and frauds are spread over the whole time."

    def __init__(self, part: str, rows: str) -> None:
        super().__init__(f"The {part} part has {rows}; it needs both frauds and others")


class ModelNotConvertible(PocError):
    """The installed scikit-learn and skl2onnx are not those that the conversion was written for."""

    way_out = RIGHT_VERSIONS

    def __init__(self, reason: str) -> None:
        super().__init__(f"The trained model cannot be converted to ONNX: {reason}")


class ScoresDisagree(PocError):
    """The converted model is not the trained one."""

    way_out = RIGHT_VERSIONS

    def __init__(self, rows: int, flipped: int, largest_difference: float, allowed: float) -> None:
        super().__init__(
            f"Of {rows:,} rows the ONNX form decides {flipped:,} otherwise than scikit-learn; their scores"
            f" differ by up to {largest_difference:.1e} (allowed: {allowed:.0e}). Nothing was registered as"
            " the served model"
        )


class ModelNotFound(PocError):
    """No model is registered under the name and alias that are served."""

    way_out = "Train one: python poc/train_fraud_model.py"

    def __init__(self, name: str, alias: str, where: str) -> None:
        super().__init__(f"The model registry at {where} has no {name} with alias {alias}")


class ModelRegistryUnavailable(PocError):
    """MLflow does not answer, or not in time."""

    way_out = "Start it: docker-compose up -d mlflow   or unset MLFLOW_TRACKING_URI to keep models in data/"

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"Cannot reach the model registry at {where}: {reason}")


class ModelDatabaseUnusable(ModelRegistryUnavailable):
    """The file that keeps the models cannot be read, or not written."""

    def __init__(self, file: Path, reason: str, damaged: bool) -> None:
        way_out = f"Make room, let this user read and write {file} and its folder, and end what locks it."
        if damaged:
            way_out = (
                "Put back a copy of it. Or begin anew (the models that it knew are lost to the servers):"
                f" mv {file} {file}.broken && python poc/train_fraud_model.py"
            )
        PocError.__init__(self, f"Cannot use the models' database {file}: {reason}", way_out)


class ModelFilesUnusable(ModelRegistryUnavailable):
    """A file or folder of the models' cannot be read, or not written."""

    def __init__(self, path: Path, reason: str) -> None:
        way_out = f"Let this user read and write {path}, and let what is above it be folders."
        PocError.__init__(self, f"Cannot use the models' files at {path}: {reason}", way_out)


class ModelUnusable(PocError):
    """What is registered cannot be served."""

    way_out = "Train another: python poc/train_fraud_model.py"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} cannot be served: {reason}")
