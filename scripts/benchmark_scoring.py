"""Measure what scoring one row takes: scikit-learn's pipeline, MLflow's pyfunc, ONNX Runtime as served.

Trains the model as poc/train_fraud_model.py does, registers nothing, and counts the decisions that
differ from scikit-learn's over all labelled rows. Needs the data and the applied definitions
(python scripts/feast_setup.py), no Cassandra.

    python scripts/benchmark_scoring.py
"""

from pathlib import Path

from poc.arguments import whole_number
from poc.command_line import argument_parser, note, ok, run
from poc.comparison.measure import warm_up_rounds
from poc.comparison.progress import rounds_bar
from poc.output import require_writable, write_json
from poc.settings import load_settings

DEFAULT_ROUNDS = 200


def main() -> None:
    settings = load_settings()
    parser = argument_parser(__doc__)
    rounds = f"turns of each way, of 20 rows one at a time (default: {DEFAULT_ROUNDS})"
    parser.add_argument("--rounds", type=whole_number, default=DEFAULT_ROUNDS, metavar="N", help=rounds)
    json = settings.data_dir / "benchmarks" / "scoring.json"
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    wanted = parser.parse_args()
    require_writable(wanted.json)
    note("Loading MLflow, scikit-learn and Feast ...")
    from poc.benchmarks.report import scoring_table, setting_line
    from poc.benchmarks.scoring import measure_scoring

    with rounds_bar(wanted.rounds + warm_up_rounds(wanted.rounds)) as bar:
        bar.say("Scoring")
        found = measure_scoring(settings, wanted.rounds, bar.advance)
    print(f"{setting_line(found)}\n\n{scoring_table(found)}\n")
    write_json(found, wanted.json)
    ok(f"Numbers: {wanted.json}")


if __name__ == "__main__":
    run(main)
