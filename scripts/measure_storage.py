"""Measure how many bytes an entity takes on disk in both layouts, on a Cassandra started for it.

The Cassandra is an embedded one in a temporary folder, stopped and removed afterwards; yours is not touched.

    python scripts/measure_storage.py [--rows N]
"""

from poc.command_line import run
from poc.measurement.scripts import measurement_parser, require_results, show
from poc.measurement.tables import storage_table
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    wanted = measurement_parser(
        __doc__,
        settings.data_dir / "benchmarks/storage.json",
        ("--rows", 200_000, "entities to store"),
        ("--port", 9442, "port of the Cassandra to start"),
    ).parse_args()
    require_results(settings, wanted.json)
    from poc.measurement.materialization import measure_storage

    show(measure_storage(settings, wanted.rows, wanted.port), storage_table, wanted.json)


if __name__ == "__main__":
    run(main)
