"""Models that cannot be trained, kept or used."""

from pathlib import Path

from poc.online_store.errors import PocError

RIGHT_VERSIONS = "Install the versions of requirements-poc.txt: pip install -r requirements-poc.txt"


class ModelMismatch(PocError):
    """The model wants a feature that the source does not give, or gives as another type."""

    told = "Model {model} needs {missing}, which the features do not have as it was trained on"
    way_out = "Train one on the present features: python poc/train_fraud_model.py"


class NotExplainable(PocError):
    """It cannot be said how much each input contributed to a score."""


class LabelsUnavailable(PocError):
    """The offline data cannot say which transactions were fraud."""

    told = "No labels in {paths}: {reason}"
    way_out = (
        "Let one source, and no other, say which payments were fraud (is_fraud: 1, others 0); then:"
        " python scripts/feast_setup.py && python poc/train_fraud_model.py"
    )


class DefinitionsChanged(PocError):
    """The repository's files say something else than the registry, so a model's lineage would be wrong."""

    told = "The feature repository and the registry differ in: {names}"
    way_out = "Apply the definitions: python scripts/feast_setup.py"


class TooFewExamples(PocError):
    """A part of the labelled data is too small to learn from or to judge by."""

    told = "The {part} part has {rows}; it needs both frauds and others"
    way_out = "Train on more data, or on data in which payments and frauds are spread over the whole time."


class ModelNotConvertible(PocError):
    """The installed scikit-learn and skl2onnx are not those that the conversion was written for."""

    told = "The trained model cannot be converted to ONNX: {reason}"
    way_out = RIGHT_VERSIONS


class ScoresDisagree(PocError):
    """The converted model is not the trained one."""

    told = (
        "Of {rows:,} rows the ONNX form decides {flipped:,} otherwise than scikit-learn; their scores differ"
        " by up to {largest_difference:.1e} (allowed: {allowed:.0e}). Nothing was registered as the served"
        " model"
    )
    way_out = RIGHT_VERSIONS


class ModelNotFound(PocError):
    """No model is registered under the name and alias that are served."""

    told = "The model registry at {where} has no {name} with alias {alias}"
    way_out = "Train one: python poc/train_fraud_model.py"


class ModelRegistryUnavailable(PocError):
    """MLflow does not answer, or not in time."""

    told = "Cannot reach the model registry at {where}: {reason}"
    way_out = "Start it: docker-compose up -d mlflow   or unset MLFLOW_TRACKING_URI to keep models in data/"


class ModelDatabaseUnusable(ModelRegistryUnavailable):
    """The file that keeps the models cannot be read, or not written."""

    told = "Cannot use the models' database {file}: {reason}"
    way_out = "Make room, let this user read and write {file} and its folder, and end what locks it."
    damaged = (
        "Put back a copy of it. Or begin anew (the models that it knew are lost to the servers):"
        " mv {file} {file}.broken && python poc/train_fraud_model.py"
    )

    def __init__(self, file: Path, reason: str, damaged: bool) -> None:
        super().__init__(file, reason, way_out=self.damaged.format(file=file) if damaged else None)


class ModelFilesUnusable(ModelRegistryUnavailable):
    """A file or folder of the models' cannot be read, or not written."""

    told = "Cannot use the models' files at {path}: {reason}"
    way_out = "Let this user read and write {path}, and let what is above it be folders."


class ModelUnusable(PocError):
    """What is registered cannot be served."""

    told = "{model} cannot be served: {reason}"
    way_out = "Train another: python poc/train_fraud_model.py"


class ModelNotOurs(PocError):
    """What is registered was made by somebody else, who may need it where it is."""

    told = "{model} is none of this project's training: {reason}"
    way_out = (
        "It stays the {alias}. Set MODEL_ALIAS or MODEL_NAME for one of ours, or give ours its place:"
        " python poc/train_fraud_model.py"
    )
