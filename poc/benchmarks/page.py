"""docs/performance.md, made of the results in docs/benchmarks; nothing in it is typed by hand."""

import json
import re
import shutil
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poc.benchmarks.report import (
    materialization_table,
    read_tables,
    registry_table,
    scoring_table,
    serving_table,
    setting_line,
)
from poc.benchmarks.targets import all_targets
from poc.comparison.markdown import markdown_table
from poc.errors import ResultsMissing

Document = Mapping[str, Any]

RESULTS = Path("docs/benchmarks")
PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
WIDTH = 110

_OPENING = """
Written by `python scripts/write_performance.py` from the results in [benchmarks](benchmarks), which
`make benchmark` measures; every number here was measured. What is compared was measured in turns in one
run, so ratios travel to other machines; milliseconds do not. An interval behind a ratio is a 95 % bootstrap
interval, except under Serving, where it goes from the least to the greatest round.
"""

_READS = """
Ways to read the same values, at the same consistency, after a warm-up. All ratios are to `direct-cassandra`:
{baseline}. `direct-cassandra-in` asks the same table for as many keys in a statement as the
[row store](online_store.md) does ([why](adr/0007-twenty-entities-a-statement.md)); of one key it is the same
read. `feast` is the guide's call with the repository's own yaml, `feast-rows` the same call on the row store,
`feast-unresolved` the same call with Feast's own `provider: local`. acsylla is driven by an event loop in the
reader's own thread: what is waited for is what an async handler would await.
"""

_MATERIALIZATION = """
From Feast's call until it returned, each run in a process and a keyspace of its own; sizes up to 10,000
rows {repeats} times, of which the median counts, larger ones once. A row has {features} features. *before*
is the most that the process had held with Feast loaded, *peak* the most that it held at all. The targets ask
for linear time; that it is read as at least 0.8 of the rows/s at 10,000 is this page's own choice, and a
single run at the largest size shows every other thing that the machine did meanwhile.
"""

_SERVING = """
The servers as `python poc/serve_model.py` (`direct`) and `python poc/serve_model_feast.py` start them;
`feast` is on the online store `{online_store}`, `feast-rows` on the row store. wrk keeps {concurrency}
connections busy for {rounds} rounds of {seconds} s each, in turns. Load tool, servers and Cassandra share
the machine's cores. The ratio of throughputs is that of neighbouring rounds: the median, and from the least
to the greatest.
"""

_SCORING = """
From one row as a request has it, a mapping of plain values, to a probability, in {threads} thread. The ways
take {rounds} turns of {rows_a_turn} rows each, one row at a time; a turn counts with its mean a row.
Decisions are those at the model's threshold, over all labelled rows.
"""

_REGISTRY = """
One read from the row store by the guide's call, with more and more other views and services in the registry;
{rounds} reads each, in turns.
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark's part of the page.

    Attributes:
        name: of its file of results.
        title: heading.
        text: what was measured; braces name what stands in the document's meta.
        tables: the document as Markdown.
        image: file name of its picture, if it has one.
        caption: the picture's text.
    """

    name: str
    title: str
    text: str
    tables: Callable[[Document], str]
    image: str | None = None
    caption: str = ""


SECTIONS = (
    Section("comparison", "Reads", _READS, read_tables, "comparison.png", "Latencies of all ways to read"),
    Section(
        "materialization",
        "Materialization",
        _MATERIALIZATION,
        materialization_table,
        "materialization.png",
        "Rows a second",
    ),
    Section("serving", "Serving", _SERVING, serving_table),
    Section("scoring", "Scoring", _SCORING, scoring_table),
    Section(
        "registry",
        "Registry",
        _REGISTRY,
        registry_table,
        "registry.png",
        "Cost of a read by the number of views",
    ),
)


def read_results(folder: Path = RESULTS) -> dict[str, Document]:
    """Read the results in `folder`, by the benchmark's name.

    Raises:
        ResultsMissing: there are none.
    """
    names = [*(section.name for section in SECTIONS), "storage"]
    files = {name: folder / f"{name}.json" for name in names}
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
    """Write the page."""
    targets = [(target.promise, target.measured, target.verdict) for target in all_targets(documents)]
    parts = [
        "# Performance",
        filled(_OPENING),
        "## Targets",
        markdown_table(("promised", "measured", "verdict"), targets),
    ]
    for section in SECTIONS:
        document = documents.get(section.name)
        if document is None:
            continue
        parts += [
            f"## {section.title}",
            filled(section.text.format_map(document["meta"])),
            section.tables(document),
        ]
        if section.image is not None:
            parts.append(f"![{section.caption}](images/{section.image})")
        parts.append(filled(setting_line(document)))
    return "\n\n".join(parts) + "\n"


def draw_pictures(documents: Mapping[str, Document]) -> list[Path]:
    """Draw the picture of each benchmark that has one; return where they are.

    Raises:
        OutputNotWritable: the disk refuses it.
    """
    from poc.benchmarks.pictures import draw_materialization, draw_registry
    from poc.comparison.picture import draw

    drawing = {"comparison": draw, "materialization": draw_materialization, "registry": draw_registry}
    drawn = []
    for section in SECTIONS:
        if section.image is not None and section.name in documents:
            drawing[section.name](documents[section.name], IMAGES / section.image)
            drawn.append(IMAGES / section.image)
    return drawn


def filled(text: str) -> str:
    """Break prose into lines."""
    # What is code stays on one line: its spaces are not spaces while lines are broken.
    joined = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.fill(joined, WIDTH, break_long_words=False, break_on_hyphens=False)
    return lines.replace("\0", " ")
