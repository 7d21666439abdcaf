"""Measure predictions a second of the servers, through Feast and with direct reads, under wrk's load.

Starts them on free ports, as the environment configures them, Feast's a second time on the row store,
and asks them in alternating rounds.
Needs wrk (apt-get install wrk), materialized features and a trained model.

    python scripts/benchmark_serving.py
    python scripts/benchmark_serving.py --seconds 30 --concurrency 16 --workers 2
"""

from poc.command_line import note, run
from poc.measurement.scripts import measurement_parser, require_results, show
from poc.measurement.tables import serving_table
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    wanted = measurement_parser(
        __doc__,
        settings.data_dir / "benchmarks/serving.json",
        ("--seconds", 2, "length of a round"),
        ("--concurrency", 8, "connections that are kept busy"),
        ("--rounds", 15, "rounds of each server"),
        ("--workers", (1, 2), "processes of a server"),
    ).parse_args()
    note("Loading Feast ...")
    from poc.measurement.place import open_place
    from poc.measurement.serving import measure_serving, require_wrk

    require_wrk()
    require_results(settings, wanted.json)
    with open_place(settings) as place:
        found = measure_serving(
            place,
            seconds=wanted.seconds,
            concurrency=wanted.concurrency,
            workers=wanted.workers,
            rounds=wanted.rounds,
        )
    show(found, serving_table, wanted.json)


if __name__ == "__main__":
    run(main)
