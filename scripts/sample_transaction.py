"""Print the id of one transaction of the prepared data, to try a prediction with.

    python scripts/sample_transaction.py
    python scripts/sample_transaction.py --json     as /predict takes it: all join keys, by name

Where the service has several join keys, it prints that JSON anyway.
"""

import json

from poc.command_line import argument_parser, run
from poc.settings import load_settings


def main() -> None:
    parser = argument_parser(__doc__)
    parser.add_argument("--json", action="store_true", help="print all join keys, as /predict takes them")
    arguments = parser.parse_args()
    from poc.dataset.stored import sample_keys
    from poc.errors import DatasetRefused
    from poc.repository import declared_service

    served = declared_service(load_settings())
    keys = sample_keys(served, 10_000)
    if not keys:
        raise DatasetRefused(served.feature_sets[0].source_path, ["it has no rows up to now"])
    key = ("12345",) if ("12345",) in keys else keys[0]
    by_name = json.dumps(dict(zip(served.key_names, key, strict=True)))
    print(by_name if arguments.json or len(key) != 1 else key[0])


if __name__ == "__main__":
    run(main)
