"""Measure what a read costs with 1, 50 and 200 feature views in the registry: resolved, and looked up.

All reads are of one service and of the same rows, in turns, in a keyspace of its own that is dropped
afterwards.

    python scripts/benchmark_registry.py
    python scripts/benchmark_registry.py --views 1,10,1000 --rounds 1000
"""

from poc.command_line import note, progress_bar, run
from poc.measurement.core import warm_up_rounds
from poc.measurement.scripts import measurement_parser, require_results, show
from poc.measurement.tables import registry_table
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    wanted = measurement_parser(
        __doc__,
        settings.data_dir / "benchmarks/registry.json",
        ("--views", (1, 50, 200), "numbers of feature views, the first to compare with"),
        ("--rounds", 300, "reads of each"),
    ).parse_args()
    require_results(settings, wanted.json)
    note("Loading Feast ...")
    from poc.measurement.place import open_place
    from poc.measurement.registry import measure_registry
    from poc.online_store.failures import cassandra_failures

    rounds = wanted.rounds + warm_up_rounds(wanted.rounds)
    with (
        open_place(settings) as place,
        cassandra_failures(place.connection),
        progress_bar("Reading", rounds) as bar,
    ):
        found = measure_registry(place, wanted.views, wanted.rounds, bar.update)
    show(found, registry_table, wanted.json)


if __name__ == "__main__":
    run(main)
