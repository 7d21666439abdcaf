"""Measure predictions a second of the servers, through Feast and with direct reads, under wrk's load.

Starts them on free ports, as the environment configures them, Feast's a second time on the row store,
and asks them in alternating rounds.
Needs wrk (apt-get install wrk), materialized features and a trained model.

    python scripts/benchmark_serving.py
    python scripts/benchmark_serving.py --seconds 30 --concurrency 16 --workers 2
"""

from pathlib import Path

from poc.arguments import whole_number, whole_numbers
from poc.command_line import argument_parser, note, ok, run
from poc.database.endpoint import configured_endpoint
from poc.database.sessions import cassandra_session
from poc.output import require_writable, write_json
from poc.settings import Settings, load_settings


def main() -> None:
    settings = load_settings()
    parser = argument_parser(__doc__)
    workers = (1, 2) if "workers" in Settings.model_fields else (1,)
    for name, value, meaning in (
        ("--seconds", 5, "length of a round"),
        ("--concurrency", 8, "connections that are kept busy"),
        ("--rounds", 6, "rounds of each server"),
    ):
        text = f"{meaning} (default: {value})"
        parser.add_argument(name, type=whole_number, default=value, metavar="N", help=text)
    text = f"processes of a server (default: {','.join(map(str, workers))})"
    parser.add_argument("--workers", type=whole_numbers, default=workers, metavar="N,N,...", help=text)
    json = settings.data_dir / "benchmarks" / "serving.json"
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    wanted = parser.parse_args()
    from poc.benchmarks.serving import measure_serving, require_wrk

    require_wrk()
    require_writable(wanted.json)
    with cassandra_session(configured_endpoint(settings)) as session:
        from poc.benchmarks.report import serving_table, setting_line

        found = measure_serving(
            settings,
            session,
            seconds=wanted.seconds,
            concurrency=wanted.concurrency,
            workers=wanted.workers,
            rounds=wanted.rounds,
            announce=note,
        )
    print(f"{setting_line(found)}\n\n{serving_table(found)}\n")
    write_json(found, wanted.json)
    ok(f"Numbers: {wanted.json}")


if __name__ == "__main__":
    run(main)
