"""Write docs/performance.md and its pictures from the results of the benchmarks.

    python scripts/write_performance.py data/benchmarks    take new results from there, write the page
    python scripts/write_performance.py                    write it anew from docs/benchmarks
    python scripts/write_performance.py --check            exit status 1 if the page is not current

A test runs the last. The page is made from docs/benchmarks alone: nothing is typed by hand.
"""

from pathlib import Path

from poc.benchmarks.page import PAGE, draw_pictures, page, read_results, take_results
from poc.benchmarks.targets import all_targets
from poc.command_line import argument_parser, fail, ok, run


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of new results")
    parser.add_argument("--check", action="store_true", help="only compare")
    wanted = parser.parse_args()
    if wanted.check:
        current = PAGE.is_file() and PAGE.read_text() == page(read_results())
        (ok if current else fail)(f"{PAGE} is {'' if current else 'not '}current")
        return 0 if current else 1
    if wanted.folder is not None:
        ok(f"New results: {', '.join(take_results(wanted.folder))}")
    documents = read_results()
    PAGE.write_text(page(documents))
    ok(f"{PAGE}")
    for picture in draw_pictures(documents):
        ok(f"{picture}")
    for target in all_targets(documents):
        print(
            f"{target.verdict}: {target.promise}"
            + (f"; measured {target.measured}" if target.measured else "")
        )
    return 0


if __name__ == "__main__":
    run(main)
