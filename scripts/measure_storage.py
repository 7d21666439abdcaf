"""Measure how many bytes an entity takes on disk in both layouts, on a Cassandra started for it.

The Cassandra is an embedded one in a temporary folder, stopped and removed afterwards; yours is not touched.

    python scripts/measure_storage.py [--rows N]
"""

from pathlib import Path

from poc.arguments import whole_number
from poc.command_line import argument_parser, note, ok, run
from poc.output import require_writable, write_json
from poc.settings import load_settings

DEFAULT_ROWS = 200_000
DEFAULT_PORT = 9442


def main() -> None:
    settings = load_settings()
    parser = argument_parser(__doc__)
    rows = f"entities to store (default: {DEFAULT_ROWS})"
    parser.add_argument("--rows", type=whole_number, default=DEFAULT_ROWS, metavar="N", help=rows)
    port = f"port of the Cassandra to start (default: {DEFAULT_PORT})"
    parser.add_argument("--port", type=whole_number, default=DEFAULT_PORT, metavar="PORT", help=port)
    json = settings.data_dir / "benchmarks" / "storage.json"
    parser.add_argument("--json", type=Path, default=json, metavar="FILE", help=f"numbers (default: {json})")
    wanted = parser.parse_args()
    require_writable(wanted.json)
    from poc.benchmarks.report import setting_line, storage_table
    from poc.benchmarks.storage import measure_storage

    found = measure_storage(settings, wanted.rows, wanted.port, note)
    print(f"{setting_line(found)}\n\n{storage_table(found)}\n")
    write_json(found, wanted.json)
    ok(f"Numbers: {wanted.json}")


if __name__ == "__main__":
    run(main)
