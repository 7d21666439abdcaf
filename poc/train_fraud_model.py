"""Train the fraud model from point-in-time features and register it for serving.

Joins the labels of the prepared data to the features that Feast has for their time, through the
feature service; trains on the oldest 60 %, chooses the threshold on the next 20 % by what mistakes
cost, and tests on the newest 20 %. Draws the precision-recall curve and the calibration into data/,
keeps the run in MLflow, and registers the model in ONNX form. The alias "champion", which the
servers load, moves only after every score was compared with scikit-learn's.

Needs the data and the applied definitions (python scripts/feast_setup.py), no Cassandra.
MLFLOW_TRACKING_URI names an MLflow server; without it everything is kept in data/.

    python poc/train_fraud_model.py
    python poc/train_fraud_model.py --miss-cost 500 --alarm-cost 5
    python poc/train_fraud_model.py --if-none     only where no model is registered yet
"""

import argparse
from datetime import datetime, timezone

from poc.command_line import argument_parser, note, ok, run
from poc.errors import ModelNotFound, ModelUnusable, without_login
from poc.model.evaluation import Costs, cost
from poc.model.registry import load_scorer
from poc.model.tracking import find_again
from poc.settings import load_settings


def main() -> None:
    """Train, and say each thing once it is true."""
    arguments = parse_arguments()
    settings = load_settings()
    if arguments.if_none:
        try:
            served = load_scorer(settings)
            find_again(settings)
            ok(f"{served.name} version {served.version} is registered as {settings.model_alias}")
            return
        except ModelNotFound:
            note("No model is registered yet")
        except ModelUnusable as error:
            note(f"{error.what}: another one is trained")

    note("Loading MLflow, scikit-learn and Feast ...")
    from poc.model.training import train

    costs = Costs(arguments.miss_cost, arguments.alarm_cost)
    trained = train(settings, costs, datetime.now(timezone.utc), ok)
    note(f"  MLflow run {trained.run_id} at {without_login(settings.mlflow_tracking_uri)}")
    note("Next: python poc/serve_model_feast.py")


def parse_arguments() -> argparse.Namespace:
    """Read the command line; what does not fit ends the process with status 2 and a message."""
    default = Costs()
    parser = argument_parser(__doc__)
    miss = "cost of a fraud that raises no alarm (default: %(default)s)"
    alarm = "cost of an alarm on a transaction that is none, in the same unit (default: %(default)s)"
    parser.add_argument("--miss-cost", type=cost, default=default.missed_fraud, metavar="COST", help=miss)
    parser.add_argument("--alarm-cost", type=cost, default=default.false_alarm, metavar="COST", help=alarm)
    parser.add_argument("--if-none", action="store_true", help="do nothing where a model is registered")
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
