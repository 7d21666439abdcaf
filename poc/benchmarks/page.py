"""docs/performance.md, made of the results in docs/benchmarks; nothing in it is typed by hand."""

import json
import re
import shutil
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from poc.benchmarks.report import (
    Document,
    materialization_table,
    read_tables,
    registry_table,
    scoring_table,
    serving_table,
    setting_line,
)
from poc.benchmarks.targets import all_targets
from poc.comparison.report import markdown_table
from poc.errors import ResultsMissing

RESULTS = Path("docs/benchmarks")
PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
WIDTH = 110
# Its prose, a section a benchmark; braces name what stands in the document's meta.
TEMPLATE = Path(__file__).with_name("performance.md")
# The document of each benchmark's section as Markdown, by the name of its file of results.
SECTIONS = {
    "comparison": read_tables,
    "materialization": materialization_table,
    "serving": serving_table,
    "scoring": scoring_table,
    "registry": registry_table,
}


def read_results(folder: Path = RESULTS) -> dict[str, Document]:
    """Read the results in `folder`, by the benchmark's name.

    Raises:
        ResultsMissing: there are none.
    """
    files = {name: folder / f"{name}.json" for name in (*SECTIONS, "storage")}
    documents = {name: json.loads(path.read_text()) for name, path in files.items() if path.is_file()}
    if not documents:
        raise ResultsMissing(folder)
    return documents


def take_results(folder: Path) -> list[str]:
    """Copy the results in `folder` to where the page is made from; return which there were."""
    names = list(read_results(folder))
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in names:
        shutil.copy(folder / f"{name}.json", RESULTS)
    return names


def page(documents: Mapping[str, Document]) -> str:
    """Write the page; a benchmark without results has no section."""
    opening, promised, *sections = re.split(r"\n(?=## )", TEMPLATE.read_text())
    targets = [(target.promise, target.measured, target.verdict) for target in all_targets(documents)]
    facts = {"tables": markdown_table(("promised", "measured", "verdict"), targets)}
    parts = [_written(opening, {}), _written(promised, facts)]
    for (name, tables), section in zip(SECTIONS.items(), sections, strict=True):
        if name in documents:
            document = documents[name]
            made = {"tables": tables(document), "setting": setting_line(document)}
            parts.append(_written(section, document["meta"] | made))
    return "\n\n".join(parts) + "\n"


def draw_pictures(documents: Mapping[str, Document]) -> list[Path]:
    """Draw the picture of each benchmark that has one; return where they are.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    from poc.benchmarks.pictures import draw_materialization, draw_registry
    from poc.comparison.picture import draw

    drawing = {"comparison": draw, "materialization": draw_materialization, "registry": draw_registry}
    drawn = {name: IMAGES / f"{name}.png" for name in drawing if name in documents}
    for name, path in drawn.items():
        drawing[name](documents[name], path)
    return list(drawn.values())


def filled(text: str) -> str:
    """Break prose into lines."""
    # What is code stays on one line: its spaces are not spaces while lines are broken.
    joined = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.fill(joined, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")


def _written(section: str, facts: Mapping[str, Any]) -> str:
    """Put the facts in, and break what is prose into lines."""
    blocks = ((block, block.format_map(facts)) for block in section.strip().split("\n\n"))
    return "\n\n".join(
        made if block.startswith(("#", "{tables}", "![")) else filled(made) for block, made in blocks
    )
