"""Write the documents that are made from the code: docs/settings.md.

    python scripts/write_docs.py           write them
    python scripts/write_docs.py --check   exit status 1 if one is not current

A test runs the second: change the code, then run the first.
"""

from pathlib import Path

from poc.command_line import argument_parser, fail, ok, run
from poc.settings import Settings

INTRODUCTION = """# Settings

Environment variables, also read from a `.env` file in the working directory. Written by
`python scripts/write_docs.py` from `poc/settings.py`.
"""


def settings_page() -> str:
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return INTRODUCTION + "\n" + "\n".join(rows) + "\n"


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--check", action="store_true", help="only compare")
    arguments = parser.parse_args()
    path, text = Path("docs/settings.md"), settings_page()
    if arguments.check and (not path.is_file() or path.read_text() != text):
        fail(f"{path} is not current: python scripts/write_docs.py")
        return 1
    path.write_text(text)
    ok(f"{path} is current")
    return 0


if __name__ == "__main__":
    run(main)
