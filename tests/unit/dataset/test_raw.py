from pathlib import Path

import pyarrow as pa
import pytest

from poc.dataset.sources import csv_digest, read_csv
from poc.errors import DatasetRefused, DatasetUnreadable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


def test_every_value_is_text_and_an_empty_one_is_null(path: Path) -> None:
    path.write_text("id,amount\n007,1.50\n,true\n")
    assert read_csv(path).table.to_pydict() == {"id": ["007", None], "amount": ["1.50", "true"]}


def test_lines_are_those_an_editor_shows(path: Path) -> None:
    path.write_text('id,note\n1,"two\nlines"\n\n2,x\n')
    assert read_csv(path).lines == [2, 5]


@pytest.mark.parametrize("text", ["id,a\r\n1,x\r\n", "\ufeffid , a\n1,x\n", '"id","a"\n"1","x"'])
def test_what_spreadsheets_write_is_read(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    assert read_csv(path).table.equals(pa.table({"id": ["1"], "a": ["x"]}))


def test_digest_changes_with_the_content(path: Path) -> None:
    assert csv_digest(path) is None
    path.write_text("id\n1\n")
    first = csv_digest(path)
    assert read_csv(path).sha256 == first
    path.write_text("id\n2\n")
    assert csv_digest(path) != first


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"id,a\n", "it has a header and no records"),
        (b"id;a\n1;2\n", "its fields are separated by semicolons, not by commas"),
        (b"id,a,id\n1,2,3\n", "the header names id more than once"),
        (b"id,a\n1,2\n1\n2,3,4\n", "other than the header's 2 fields in 2 rows (line 3: 1, line 4: 3)"),
    ],
)
def test_refused(path: Path, content: bytes, named: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetRefused) as raised:
        read_csv(path)
    assert raised.value.problems == (named,)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("id,a\n1,x\n2,caf\u00e9\n".encode("latin-1"), "line 3 is no UTF-8 text (byte 0xe9)"),
        ("id,a\n1,x\n".encode("utf-16"), "line 1 is no UTF-8 text (byte 0xff)"),
        (b"id,a\n1,\0\0\n", "line 2 is no text"),
        (b'id,a\n1,x\n2,"y\n3,z\n', "the record from line 3 on is no CSV"),
    ],
)
def test_unreadable(path: Path, content: bytes, named: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetUnreadable) as raised:
        read_csv(path)
    assert named in raised.value.what


def test_folder_of_that_name_is_unreadable(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DatasetUnreadable, match="Is a directory"):
        csv_digest(path)
