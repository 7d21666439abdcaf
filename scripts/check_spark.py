"""Materialize many rows with Spark and with the Arrow engine, and compare every stored row.

    python scripts/check_spark.py --rows 1000000

Prints the time, and the most memory of all processes. Spark is configured by feature_repo/stores/spark.yaml
and needs: pip install -r requirements/spark.txt
"""

from poc.command_line import argument_parser, note, ok, run, whole_number
from poc.settings import load_settings

DEFAULT_ROWS = 1_000_000


def main() -> None:
    parser = argument_parser(__doc__)
    rows = f"transactions, one row each (default: {DEFAULT_ROWS})"
    parser.add_argument("--rows", type=whole_number, default=DEFAULT_ROWS, metavar="N", help=rows)
    wanted = parser.parse_args()
    settings = load_settings()
    note("Loading Feast ...")
    from poc.measurement.place import open_place
    from poc.measurement.spark import check_spark
    from poc.online_store.failures import cassandra_failures

    with open_place(settings) as place, cassandra_failures(place.connection):
        both = check_spark(place, wanted.rows)
    for measured in both:
        print(measured)
    ok(f"{wanted.rows:,} rows online with either engine, every value and write time equal")


if __name__ == "__main__":
    run(main)
