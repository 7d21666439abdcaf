"""Measure what a read costs with 1, 50 and 200 feature views in the registry: public call and plan.

All reads are of one view and of the same rows, in turns, in a keyspace of its own that is dropped
afterwards.

    python scripts/benchmark_registry.py
    python scripts/benchmark_registry.py --views 1,10,1000 --rounds 1000
"""

from pathlib import Path

from poc.arguments import whole_number, whole_numbers
from poc.command_line import argument_parser, hide_bars_of_others, note, ok, run
from poc.comparison.measure import warm_up_rounds
from poc.comparison.progress import rounds_bar
from poc.database.endpoint import configured_endpoint
from poc.database.sessions import cassandra_session, driver_errors_as_unavailable
from poc.output import require_writable, write_json
from poc.settings import load_settings

DEFAULT_VIEWS = (1, 50, 200)
DEFAULT_ROUNDS = 300


def main() -> None:
    settings = load_settings()
    parser = argument_parser(__doc__)
    views = "numbers of feature views, the first to compare with (default: 1,50,200)"
    parser.add_argument("--views", type=whole_numbers, default=DEFAULT_VIEWS, metavar="N,N,...", help=views)
    rounds = f"reads of each (default: {DEFAULT_ROUNDS})"
    parser.add_argument("--rounds", type=whole_number, default=DEFAULT_ROUNDS, metavar="N", help=rounds)
    json = settings.data_dir / "benchmarks" / "registry.json"
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    wanted = parser.parse_args()
    endpoint = configured_endpoint(settings)
    require_writable(wanted.json)
    with cassandra_session(endpoint) as session, driver_errors_as_unavailable(endpoint):
        note("Loading Feast ...")
        hide_bars_of_others()
        from poc.benchmarks.registry import measure_registry
        from poc.benchmarks.report import registry_table, setting_line

        with rounds_bar(wanted.rounds + warm_up_rounds(wanted.rounds)) as bar:
            bar.say("Reading")
            found = measure_registry(settings, endpoint, session, wanted.views, wanted.rounds, bar.advance)
    print(f"{setting_line(found)}\n\n{registry_table(found)}\n")
    write_json(found, wanted.json)
    ok(f"Numbers: {wanted.json}")


if __name__ == "__main__":
    run(main)
