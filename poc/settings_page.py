"""docs/settings.md: every setting with its default, as `poc.settings.Settings` declares it."""

from poc.settings import Settings

_OPENING = """# Settings

Environment variables, also read from a `.env` file in the working directory. Written by
`python scripts/write_docs.py` from `poc/settings.py`.
"""


def settings_page() -> str:
    """Write the page."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return _OPENING + "\n" + "\n".join(rows) + "\n"
