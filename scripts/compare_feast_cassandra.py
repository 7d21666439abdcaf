"""Compare reading features through Feast with reading them directly from Cassandra.

All ways read the same transactions in turns, in this one process, at the same consistency, after a
warm-up. Their values are held to each other: a difference ends the run with status 1. Prints the
guide's table with measured numbers, and whether they keep its promises; writes the numbers as JSON,
and a picture of all latencies. The row store is filled beside Feast's own where it holds other values.

    python scripts/compare_feast_cassandra.py
    python scripts/compare_feast_cassandra.py --methods feast,feast-unresolved
    python scripts/compare_feast_cassandra.py --with feast-server
    python scripts/compare_feast_cassandra.py --requests 5000 --batch-sizes 1,50
    python scripts/compare_feast_cassandra.py --json results.json --plot latency.png
"""

from poc.command_line import note, ok, progress_bar, run
from poc.measurement.comparison import rounded
from poc.measurement.scripts import read_request, require_results
from poc.measurement.tables import report
from poc.output import write_json
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    request, json, plot = read_request(__doc__, settings.data_dir)
    require_results(settings, json, plot)
    note("Loading Feast ...")
    from poc.measurement.place import open_place
    from poc.measurement.stores import compare_stores

    with open_place(settings) as place, progress_bar("Opening both stores", request.all_rounds) as bar:
        found = compare_stores(place, request, announce=bar.set_description, progress=bar.update)

    ok("Same values all ways: {transactions:,} transactions, {features} features".format_map(found["meta"]))
    print(f"\n{report(found)}\n")
    numbers = rounded(found)
    write_json(numbers, json)
    ok(f"Numbers: {json}")
    from poc.measurement.pictures import draw_comparison  # And with it matplotlib.

    draw_comparison(numbers, plot)
    ok(f"Picture: {plot}")


if __name__ == "__main__":
    run(main)
