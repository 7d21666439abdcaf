"""From labelled transactions to a model that can be served, in the order in which it happens.

Everything that can be wrong is found out before the alias moves: what served until then goes on
serving when training fails at any point.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from poc.dataset.columns import LABEL
from poc.dataset.stored import dataset_fingerprint
from poc.feature_store import repo_yaml
from poc.model import pipeline, report
from poc.model.conversion import check_agreement, to_onnx
from poc.model.evaluation import Costs, Evaluation, cheapest_threshold, evaluate
from poc.model.examples import Examples, Split, labelled_examples, split_by_time, time_span
from poc.model.reference import (
    REFERENCE_FILE,
    TrainingReference,
    reference_features,
    reference_in_place,
    reference_json,
    reference_path,
)
from poc.model.registry import TrainingRecord, keep_text, load_scorer, promote, record
from poc.model.scoring import ModelFacts, Scorer, open_scorer
from poc.model.tracking import open_client
from poc.output import git_commit, require_writable
from poc.settings import Settings

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

Announce = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A pipeline, the threshold that the validation part chose, and how it did there and on the test part."""

    pipeline: Pipeline
    inputs: pipeline.ModelInputs
    threshold: float
    validation: Evaluation
    test: Evaluation
    test_scores: NDArray[np.float64]


def train(settings: Settings, costs: Costs, now: datetime, announce: Announce) -> Scorer:
    """Train a model, check it, register it, and let the alias point to it; return it.

    Raises ModelRegistryUnavailable, which is found out before anything else is done, ScoresDisagree, and what
    `labelled_examples` and `split_by_time` do.
    """
    repo_yaml(settings)
    # What comes last is found out first: a name that does not fit, a folder that may not be written.
    require_writable(reference_path(settings))
    open_client(settings)
    examples = labelled_examples(settings)
    split = split_by_time(examples.rows)
    announce(report.describe_examples(examples))
    fitted = fit(examples, split, costs)
    announce(report.describe_fit(split.training, fitted.pipeline))
    announce(report.describe_threshold(fitted.validation, costs))
    announce(report.describe_test(split.test, fitted.test))
    facts = model_facts(examples, split, fitted, costs, now)
    onnx_model = to_onnx(fitted.pipeline, facts)
    candidate = open_scorer(onnx_model, name=settings.model_name, version="candidate")
    check_agreement(candidate, fitted.pipeline, fitted.inputs, examples.rows)
    pictures = report.draw_pictures(settings.data_dir, fitted.test_scores, _labels(split.test), fitted.test)
    announce(f"Drew {pictures[0]} and {pictures[1]}")
    from feast.repo_operations import get_repo_files

    repo = settings.feast_repo_path
    files = {str(path.relative_to(repo.resolve())): path for path in get_repo_files(repo)}
    validation = {f"validation_{name}": value for name, value in fitted.validation.metrics().items()}
    training = TrainingRecord(
        onnx_model=onnx_model,
        facts=facts,
        parameters=_parameters(settings, examples, split, fitted),
        metrics=fitted.test.metrics() | validation,
        files=files | {path.name: path for path in pictures},
    )
    _release(settings, record(settings, training), fitted, examples, now, announce)
    return load_scorer(settings)


def fit(examples: Examples, split: Split, costs: Costs) -> Fitted:
    """Fit on the oldest part, choose trees and threshold by the next, measure on the newest."""
    inputs = pipeline.model_inputs(examples.served.features, split.training)
    validation = pipeline.input_columns(inputs, split.validation)
    training, labels = pipeline.input_columns(inputs, split.training), _labels(split.validation)
    model = pipeline.fit_pipeline(inputs, training, _labels(split.training), validation, labels)
    validation_scores = pipeline.fraud_probabilities(model, validation)
    threshold = cheapest_threshold(validation_scores, labels, costs)
    test_scores = pipeline.fraud_probabilities(model, pipeline.input_columns(inputs, split.test))
    validated = evaluate(validation_scores, labels, threshold, costs)
    tested = evaluate(test_scores, _labels(split.test), threshold, costs)
    return Fitted(model, inputs, threshold, validated, tested, test_scores)


def _release(
    settings: Settings,
    recorded: "ModelVersion",
    fitted: Fitted,
    examples: Examples,
    now: datetime,
    say: Announce,
) -> None:
    """Fetch the model back as a server would, compare it once more, and only then move the alias.

    With the alias changes its training reference, to which batches are held; other aliases keep theirs.
    """
    version = str(recorded.version)
    stored = load_scorer(settings, version)
    say(report.describe_agreement(check_agreement(stored, fitted.pipeline, fitted.inputs, examples.rows)))
    reference = TrainingReference(
        model_name=settings.model_name,
        model_alias=settings.model_alias,
        model_version=version,
        feature_service=examples.served.service,
        created_at=now,
        rows=len(examples.rows),
        features=reference_features(examples.served, examples.rows),
        git_commit=git_commit(settings.feast_repo_path),
    )
    keep_text(settings, recorded.run_id, REFERENCE_FILE, reference_json(reference))
    with reference_in_place(settings, reference):
        promote(settings, version)
    say(f"Registered {settings.model_name} version {version} as {settings.model_alias}")


def model_facts(examples: Examples, split: Split, fitted: Fitted, costs: Costs, now: datetime) -> ModelFacts:
    """Return what a model that was fitted and costed so, trained at `now` (UTC), says of itself."""
    return ModelFacts(
        inputs=fitted.inputs.names,
        categories=fitted.inputs.categories,
        threshold=fitted.threshold,
        label=LABEL,
        feature_service=examples.served.service,
        missed_fraud_cost=costs.missed_fraud,
        false_alarm_cost=costs.false_alarm,
        trained_at=now,
        metrics=fitted.test.metrics(),
        typical=pipeline.typical_values(fitted.inputs, pipeline.input_columns(fitted.inputs, split.training)),
    )


def _parameters(settings: Settings, examples: Examples, split: Split, fitted: Fitted) -> dict[str, Any]:
    sources = examples.served.feature_sets
    parts = split._asdict()
    rows = {f"{name}_rows": len(part) for name, part in parts.items()}
    ends = {f"{name}_until": f"{time_span(part)[1]:%Y-%m-%dT%H:%M:%SZ}" for name, part in parts.items()}
    return {
        "feature_store": "feast",
        "feature_view": ",".join(item.view for item in sources),
        "feature_service": examples.served.service,
        # Of the views' sources, in the views' order.
        "data_sha256": ",".join(dataset_fingerprint(item.source_path) for item in sources),
        "git_commit": git_commit(settings.feast_repo_path),
        "threshold": fitted.threshold,
        "trees": pipeline.number_of_trees(fitted.pipeline),
        **pipeline.PARAMETERS,
        **rows,
        **ends,
    }


def _labels(part: pd.DataFrame) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = part[LABEL].to_numpy(dtype=np.int64)
    return labels
