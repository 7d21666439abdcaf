"""Save the training data and a reference made from it in Feast's registry, for `feast validate`.

    scripts/install_apart.sh validation
    .validation-venv/bin/python scripts/save_reference.py

Needs the prepared data and the applied definitions (python scripts/feast_setup.py), and an environment that
has Great Expectations, which is .validation-venv.
"""

from poc.command_line import argument_parser, note, ok, run
from poc.settings import load_settings


def main() -> None:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    note("Loading Feast and Great Expectations ...")
    from poc.feature_store import open_feature_store
    from poc.quality.feast_validation import DATASET, REFERENCE, save_validation_reference

    expectations = save_validation_reference(settings, open_feature_store(settings))
    ok(f"Saved dataset {DATASET} and reference {REFERENCE} with {expectations} expectations")
    note("Next: python scripts/log_features.py")


if __name__ == "__main__":
    run(main)
