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

from poc.command_line import hide_bars_of_others, note, ok, run
from poc.comparison.arguments import read_arguments
from poc.comparison.progress import rounds_bar
from poc.comparison.report import document, report
from poc.output import require_writable, write_json
from poc.settings import load_settings


def main() -> None:
    settings = load_settings()
    wanted = read_arguments(str(__doc__), settings.data_dir)
    require_writable(wanted.json)
    require_writable(wanted.plot)
    note("Loading Feast ...")
    hide_bars_of_others()
    from poc.comparison.stores import compare_stores, open_place

    with open_place(settings) as place, rounds_bar(wanted.request.all_rounds) as bar:
        comparison = compare_stores(place, wanted.request, announce=bar.say, progress=bar.advance)

    ok(f"Same values all ways: {comparison.transactions:,} transactions, {comparison.features} features")
    print(f"\n{report(comparison)}\n")
    numbers = document(comparison)
    write_json(numbers, wanted.json)
    ok(f"Numbers: {wanted.json}")
    from poc.comparison.picture import draw  # And with it matplotlib.

    draw(numbers, wanted.plot)
    ok(f"Picture: {wanted.plot}")


if __name__ == "__main__":
    run(main)
