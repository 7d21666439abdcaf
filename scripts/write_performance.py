"""Write docs/performance.md, its pictures, docs/scaling.md and README's figures from the benchmarks' results.

    python scripts/write_performance.py data/benchmarks    take new results from there, write the pages
    python scripts/write_performance.py                    write them anew from docs/benchmarks
    python scripts/write_performance.py --check            exit status 1 if a page is not current

A test runs the last. The pages are made from docs/benchmarks alone: nothing is typed by hand.
"""

from collections.abc import Mapping
from pathlib import Path

from poc.command_line import argument_parser, fail, ok, run
from poc.measurement.tables import Document
from poc.pages import scaling
from poc.pages.performance import PAGE, all_targets, draw_pictures, page, read_results, take_results


def pages(documents: Mapping[str, Document]) -> dict[Path, str]:
    """Return the pages' texts; those of several benchmarks only where all of these were measured."""
    found = {PAGE: page(documents)}
    if documents.keys() >= scaling.NEEDED:
        found[scaling.PAGE] = scaling.scaling_page(documents)
    if documents.keys() >= scaling.README_NEEDS:
        found[scaling.README] = scaling.readme_page(documents, scaling.README.read_text())
    return found


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="folder of new results")
    parser.add_argument("--check", action="store_true", help="only compare")
    wanted = parser.parse_args()
    if wanted.check:
        current = True
        for path, text in pages(read_results()).items():
            same = path.is_file() and path.read_text() == text
            (ok if same else fail)(f"{path} is {'' if same else 'not '}current")
            current = current and same
        return 0 if current else 1
    if wanted.folder is not None:
        ok(f"New results: {', '.join(take_results(wanted.folder))}")
    documents = read_results()
    for path, text in pages(documents).items():
        path.write_text(text)
        ok(f"{path}")
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
