"""Ways to break a file: each takes its path."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from hypothesis import strategies as st

Break: TypeAlias = Callable[[Path], object]


def as_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def write(content: bytes) -> Break:
    return lambda path: path.write_bytes(content)


def cut(share: float) -> Break:
    return lambda path: path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def spoiled(content: bytes) -> st.SearchStrategy[bytes]:
    """Cut `content`, or put something into it, or take something out, somewhere."""
    places = st.integers(0, len(content))
    inserted = st.binary(max_size=8) | st.sampled_from(
        [b"\n", b"\t", b":", b"[", b"'", b"\0", b"\xff", b"- "]
    )
    spliced = st.builds(lambda at, new: content[:at] + new + content[at:], places, inserted)
    removed = st.builds(lambda at, count: content[:at] + content[at + count :], places, st.integers(1, 60))
    return places.map(lambda end: content[:end]) | spliced | removed
