"""Measure what scoring one row takes: scikit-learn's pipeline, MLflow's pyfunc, ONNX Runtime as served.

Trains the model as poc/train_fraud_model.py does, registers nothing, and counts the decisions that
differ from scikit-learn's over all labelled rows. Needs the data and the applied definitions
(python scripts/feast_setup.py), no Cassandra.

    python scripts/benchmark_scoring.py
"""

from poc.command_line import note, progress_bar, run
from poc.measurement.core import warm_up_rounds
from poc.measurement.scripts import measurement_parser, require_results, show
from poc.measurement.tables import scoring_table
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    rounds = ("--rounds", 200, "turns of each way, of 20 rows one at a time")
    wanted = measurement_parser(__doc__, settings.data_dir / "benchmarks/scoring.json", rounds).parse_args()
    require_results(settings, wanted.json)
    note("Loading MLflow, scikit-learn and Feast ...")
    from poc.measurement.scoring import measure_scoring

    with progress_bar("Scoring", wanted.rounds + warm_up_rounds(wanted.rounds)) as bar:
        found = measure_scoring(settings, wanted.rounds, bar.update)
    show(found, scoring_table, wanted.json)


if __name__ == "__main__":
    run(main)
