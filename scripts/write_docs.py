"""Write the documents that are made from the code: settings.md, metrics.md and features.md in docs.

    python scripts/write_docs.py           write them
    python scripts/write_docs.py --check   exit status 1 if one is not current

A test runs the second: change the code, then run the first.
"""

from collections.abc import Callable
from pathlib import Path

from poc.command_line import argument_parser, fail, ok, run
from poc.monitoring.metrics import metrics_page
from poc.pages.registry import declared_features_page
from poc.settings import load_settings, settings_page

PAGES: dict[str, Callable[[], str]] = {
    "docs/settings.md": settings_page,
    "docs/metrics.md": metrics_page,
    "docs/features.md": lambda: declared_features_page(load_settings()),
}


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    arguments = parser.parse_args()
    status = 0
    for name, page in PAGES.items():
        path, text = Path(name), page()
        if arguments.check and (not path.is_file() or path.read_text() != text):
            fail(f"{path} is not current: python scripts/write_docs.py")
            status = 1
            continue
        path.write_text(text)
        ok(f"{path} is current")
    return status


if __name__ == "__main__":
    run(main)
