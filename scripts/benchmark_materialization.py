"""Measure how fast rows come online: Feast's own engine, and the Arrow engine into either layout.

Every run is a process of its own into a keyspace of its own, which is dropped afterwards; runs of one
size take turns. What would take very long is left out and said to be, unless --all is given.

    python scripts/benchmark_materialization.py
    python scripts/benchmark_materialization.py --rows 10000,100000,1000000
"""

from poc.command_line import note, run
from poc.measurement.scripts import measurement_parser, require_results, show
from poc.measurement.tables import materialization_table
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    parser = measurement_parser(
        __doc__,
        settings.data_dir / "benchmarks/materialization.json",
        ("--rows", (10_000,), "sizes to measure"),
        ("--repeats", 3, "runs of each way; one that takes longer than a minute gets one"),
    )
    parser.add_argument("--all", action="store_true", help="measure slow ways at large sizes, too")
    wanted = parser.parse_args()
    require_results(settings, wanted.json)
    note("Loading Feast ...")
    from poc.measurement.materialization import measure_materialization, ways
    from poc.measurement.place import open_place
    from poc.online_store.failures import cassandra_failures

    with open_place(settings) as place, cassandra_failures(place.connection):
        found = measure_materialization(
            place, wanted.rows, chosen=ways(), repeats=wanted.repeats, everything=wanted.all
        )
    show(found, materialization_table, wanted.json)


if __name__ == "__main__":
    run(main)
