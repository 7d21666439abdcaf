"""Measure the highest rate that each server answers within 5 ms, and what it does with three times as much.

Starts the servers one after the other on free ports, as the environment configures them, and has wrk ask at
constant rates. Needs wrk (apt-get install wrk), materialized features and a trained model.

    python scripts/benchmark_rates.py
    python scripts/benchmark_rates.py --seconds 10 --workers 2
"""

from poc.command_line import note, run
from poc.measurement.scripts import measurement_parser, require_results, show
from poc.measurement.tables import rates_table
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    wanted = measurement_parser(
        __doc__,
        settings.data_dir / "benchmarks/rates.json",
        ("--seconds", 4, "length of a try of a rate"),
        ("--workers", (1, 2), "processes of a server"),
    ).parse_args()
    note("Loading Feast ...")
    from poc.measurement.place import open_place
    from poc.measurement.rates import measure_rates
    from poc.measurement.serving import require_wrk

    require_wrk()
    require_results(settings, wanted.json)
    with open_place(settings) as place:
        found = measure_rates(place, seconds=wanted.seconds, workers=wanted.workers)
    show(found, rates_table, wanted.json)


if __name__ == "__main__":
    run(main)
