"""One row scored in three ways: scikit-learn's pipeline, MLflow's pyfunc, ONNX Runtime as served.

The model is trained anew, as poc/train_fraud_model.py trains it; nothing is registered.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow.onnx
import mlflow.pyfunc
import numpy as np
import numpy.typing as npt
import onnx
import pandas as pd
import sklearn.ensemble  # noqa: F401  Only libraries that are loaded before the limit are limited.
from mlflow.pyfunc import PyFuncModel
from threadpoolctl import threadpool_limits

from poc.measurement.core import Key, Method, Nanoseconds, Row, compare, measure, measured_on, summarize
from poc.model.conversion import to_onnx
from poc.model.evaluation import Costs
from poc.model.examples import labelled_examples, split_by_time
from poc.model.pipeline import input_columns
from poc.model.scoring import OUTPUT, Scorer, open_scorer
from poc.model.training import fit, model_facts
from poc.settings import Settings

SKLEARN, PYFUNC, ONNX = "scikit-learn pipeline", "MLflow pyfunc", "ONNX Runtime, as served"
# One after the other before another way's turn: after scikit-learn's hundreds of calls, the first row of a
# turn would measure how fast the processor's caches fill.
ROWS_A_TURN = 20
SEED = 1

Way = Callable[[Mapping[str, Any]], float]
Probabilities = npt.NDArray[np.float64]


def measure_scoring(settings: Settings, rounds: int, progress: Callable[[], object]) -> dict[str, Any]:
    """Score rows one at a time, the ways in turns, then all rows, and return the results as a document.

    `rounds` turns of each way, of `ROWS_A_TURN` rows each, are counted; `progress` is called after each.
    """
    meta = measured_on(None, "scikit-learn", "mlflow", "onnxruntime", "skl2onnx")
    examples = labelled_examples(settings)
    split, costs = split_by_time(examples.rows), Costs()
    fitted = fit(examples, split, costs)
    facts = model_facts(examples, split, fitted, costs, datetime.now(timezone.utc))
    columns = input_columns(fitted.inputs, examples.rows)
    with TemporaryDirectory() as folder, threadpool_limits(1):
        scorer, pyfunc = _served(to_onnx(fitted.pipeline, facts), Path(folder))
        # Each takes one row of plain values, which is what a request has.
        ways: dict[str, Way] = {
            SKLEARN: lambda row: float(fitted.pipeline.predict_proba(pd.DataFrame([row]))[0, 1]),
            PYFUNC: lambda row: float(_pyfunc_scores(pyfunc, pd.DataFrame([row]))[0]),
            ONNX: lambda row: scorer.score([row])[0],
        }
        records: list[dict[str, Any]] = columns.to_dict("records")  # type: ignore[assignment]
        rows: dict[Key, dict[str, Any]] = {(place,): record for place, record in enumerate(records)}
        methods = [Method(name, name, partial(_score_each, way, rows)) for name, way in ways.items()]
        measured = measure(methods, list(rows), ROWS_A_TURN, rounds, SEED, lambda keys, answers: progress())
        scores = {
            SKLEARN: fitted.pipeline.predict_proba(columns)[:, 1],
            PYFUNC: _pyfunc_scores(pyfunc, columns),
            ONNX: np.array(scorer.score(records)),
        }
    a_row = {name: turns // ROWS_A_TURN for name, turns in measured.items()}
    return {
        "meta": meta | {"rounds": rounds, "rows_a_turn": ROWS_A_TURN, "threads": 1},
        "results": [_result(name, a_row, scores, scorer.threshold) for name in (SKLEARN, PYFUNC, ONNX)],
    }


def _served(content: bytes, folder: Path) -> tuple[Scorer, PyFuncModel]:
    """Load the ONNX model `content` as a server does and as MLflow does."""
    mlflow.onnx.save_model(
        onnx.load_from_string(content),
        str(folder / "model"),
        pip_requirements=[f"onnxruntime=={version('onnxruntime')}"],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
    scorer = open_scorer(content, name="benchmark", version="0")
    return scorer, mlflow.pyfunc.load_model(str(folder / "model"))


def _pyfunc_scores(pyfunc: PyFuncModel, columns: pd.DataFrame) -> Probabilities:
    scores: Probabilities = np.asarray(pyfunc.predict(columns)[OUTPUT], np.float64).reshape(-1)
    return scores


def _score_each(way: Way, rows: Mapping[Key, Mapping[str, Any]], keys: Sequence[Key]) -> list[Row | None]:
    return [{OUTPUT: way(rows[key])} for key in keys]


def _result(
    name: str, nanoseconds: Mapping[str, Nanoseconds], scores: Mapping[str, Probabilities], threshold: float
) -> dict[str, Any]:
    summary = summarize(nanoseconds[name])
    ratio = None if name == SKLEARN else compare(nanoseconds[name], nanoseconds[SKLEARN], SEED)
    expected, given = scores[SKLEARN], scores[name]
    return {
        "title": name,
        "ratio": None if ratio is None else float(f"{ratio['p50']:.3g}"),
        "p50_ms": round(summary["p50_ms"], 4),
        "p99_ms": round(summary["p99_ms"], 4),
        "flips": int(((given >= threshold) != (expected >= threshold)).sum()),
        "rows": len(given),
        "largest_difference": float(f"{np.abs(given - expected).max():.2g}"),
    }
