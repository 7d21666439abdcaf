"""Measure how fast rows come online: Feast's own engine, and the Arrow engine into either layout.

Every run is a process of its own into a keyspace of its own, which is dropped afterwards; runs of one
size take turns. What would take very long is left out and said to be, unless --all is given.

    python scripts/benchmark_materialization.py
    python scripts/benchmark_materialization.py --rows 10000,100000,1000000
"""

from pathlib import Path

from poc.arguments import whole_number, whole_numbers
from poc.command_line import argument_parser, note, ok, run
from poc.database.endpoint import configured_endpoint
from poc.database.sessions import cassandra_session, driver_errors_as_unavailable
from poc.output import require_writable, write_json
from poc.settings import load_settings

DEFAULT_ROWS = (10_000,)
DEFAULT_REPEATS = 3


def main() -> None:
    settings = load_settings()
    parser = argument_parser(__doc__)
    rows = f"sizes to measure (default: {DEFAULT_ROWS[0]})"
    parser.add_argument("--rows", type=whole_numbers, default=DEFAULT_ROWS, metavar="N,N,...", help=rows)
    repeats = f"runs of each way up to 10000 rows; larger sizes get one (default: {DEFAULT_REPEATS})"
    parser.add_argument("--repeats", type=whole_number, default=DEFAULT_REPEATS, metavar="N", help=repeats)
    parser.add_argument("--all", action="store_true", help="measure slow ways at large sizes, too")
    json = settings.data_dir / "benchmarks" / "materialization.json"
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    wanted = parser.parse_args()
    endpoint = configured_endpoint(settings)
    require_writable(wanted.json)
    with cassandra_session(endpoint) as session, driver_errors_as_unavailable(endpoint):
        note("Loading Feast ...")
        from poc.benchmarks.materialization import measure_materialization, ways
        from poc.benchmarks.report import materialization_table, setting_line

        found = measure_materialization(
            settings,
            endpoint,
            session,
            wanted.rows,
            chosen=ways(),
            repeats=wanted.repeats,
            everything=wanted.all,
            announce=note,
        )
    print(f"{setting_line(found)}\n\n{materialization_table(found)}\n")
    write_json(found, wanted.json)
    ok(f"Numbers: {wanted.json}")


if __name__ == "__main__":
    run(main)
