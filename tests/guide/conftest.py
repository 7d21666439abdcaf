"""The fenced blocks of the documents, for the tests that run them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: the heading it stands under, its number there, its language, its text."""

    heading: str
    number: int
    language: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.heading} / {self.number}"


def parse_blocks(path: Path) -> list[Block]:
    """Read the fenced blocks of a Markdown file in order."""
    text = path.read_text()
    fences = [match.span() for match in FENCE.finditer(text)]
    headings = [
        (match.start(), match.group(1))
        for match in HEADING.finditer(text)
        if not any(start <= match.start() < end for start, end in fences)
    ]
    blocks: list[Block] = []
    for match in FENCE.finditer(text):
        heading = [title for start, title in headings if start < match.start()][-1]
        number = 1 + sum(block.heading == heading for block in blocks)
        blocks.append(Block(heading, number, match.group(1), match.group(2)))
    return blocks


@pytest.fixture(scope="session")
def blocks_of() -> Callable[[Path], list[Block]]:
    return parse_blocks
