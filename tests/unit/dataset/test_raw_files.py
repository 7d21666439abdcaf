import bz2
import gzip
import lzma
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from poc.dataset.sources import csv_digest, find_csv, read_csv
from poc.errors import DatasetMisnamed, DatasetRefused, DatasetUnreadable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.csv"


def test_every_value_is_text_and_an_empty_one_is_null(path: Path) -> None:
    path.write_text("id,amount\n007,1.50\n,true\n")
    assert read_csv(path, "timestamp").table.to_pydict() == {"id": ["007", None], "amount": ["1.50", "true"]}


def test_lines_are_those_an_editor_shows(path: Path) -> None:
    path.write_text('id,note\n1,"two\nlines"\n\n2,x\n')
    assert list(map(read_csv(path, "timestamp").place, range(2))) == ["line 2", "line 5"]


@pytest.mark.parametrize(
    "text",
    [
        "id,a\r\n1,x\r\n",
        "\ufeffid , a\n1,x\n",
        '"id","a"\n"1","x"',
        "id;a\n1;x\n",
        "id\ta\n1\tx\n",
        "id|a\n1|x\n",
        "sep=;\r\nid;a\r\n1;x\r\n",
        "\ufeffsep=,\nid,a\n1,x\n",
        'id, "a"\n1, "x"\n',
    ],
)
def test_what_spreadsheets_write_is_read(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
    assert read_csv(path, "timestamp").table.equals(pa.table({"id": ["1"], "a": ["x"]}))


def test_line_that_states_the_separator_counts(path: Path) -> None:
    path.write_text("sep=;\nid;a\n1;x\n2\n")
    with pytest.raises(DatasetRefused, match="line 4: 1"):
        read_csv(path, "timestamp")


def test_long_field_is_read(path: Path) -> None:
    path.write_text(f"id,a\n1,{'x' * 200_000}\n")
    assert len(read_csv(path, "timestamp").table["a"][0].as_py()) == 200_000


def packed(path: Path, ending: str, text: bytes) -> Path:
    target = path.with_name(f"x{ending}")
    if ending.endswith("zip"):
        with zipfile.ZipFile(target, "w") as archive:
            archive.writestr("any.csv", text)
    else:
        target.write_bytes({".csv.gz": gzip, ".csv.bz2": bz2, ".csv.xz": lzma}[ending.lower()].compress(text))
    return target


@pytest.mark.parametrize("ending", [".csv.gz", ".csv.bz2", ".csv.xz", ".csv.zip", ".zip", ".CSV.GZ"])
def test_packed_file_is_found_and_read(path: Path, ending: str) -> None:
    target = packed(path, ending, b"id,a\n1,x\n")
    assert find_csv(path.parent, path.with_suffix(".parquet")) == target
    assert read_csv(target, "timestamp").table.equals(pa.table({"id": ["1"], "a": ["x"]}))


def test_what_macos_packs_beside_a_file_is_none(path: Path) -> None:
    target = path.with_name("x.zip")
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("mine/any.csv", "id,a\n1,x\n")
        for name in ("__MACOSX/mine/._any.csv", "mine/.DS_Store", "mine/._other.csv", ".hidden/old.csv"):
            archive.writestr(name, b"\0\5")
    assert read_csv(target, "timestamp").table.equals(pa.table({"id": ["1"], "a": ["x"]}))


@pytest.mark.parametrize("ending", [".csv.gz", ".csv.bz2", ".csv.xz", ".zip"])
def test_packed_file_that_is_cut_is_refused(path: Path, ending: str) -> None:
    target = packed(path, ending, b"id,a\n1,x\n" * 100)
    target.write_bytes(target.read_bytes()[:-20])
    with pytest.raises(DatasetUnreadable, match="cannot be unpacked"):
        read_csv(target, "timestamp")


def test_name_is_found_in_any_case_and_of_two_none_is_chosen(path: Path) -> None:
    path.with_name("X.CSV").write_text("id\n1\n")
    assert find_csv(path.parent, path.with_suffix(".parquet")).name == "X.CSV"
    path.with_name("x.csv.gz").write_bytes(b"")
    with pytest.raises(DatasetMisnamed, match=r"x\.csv\.gz"):
        find_csv(path.parent, path.with_suffix(".parquet"))


def test_link_that_leads_nowhere_is_named_as_that(path: Path) -> None:
    path.symlink_to("gone.csv")
    for read in (lambda: find_csv(path.parent, path.with_suffix(".parquet")), lambda: csv_digest(path)):
        with pytest.raises(DatasetUnreadable, match=r"x\.csv: it is a link, and gone\.csv is not there"):
            read()


def test_digest_changes_with_the_content(path: Path) -> None:
    assert csv_digest(path) is None
    path.write_text("id\n1\n")
    first = csv_digest(path)
    assert read_csv(path, "timestamp").provenance.sha256 == first
    path.write_text("id\n2\n")
    assert csv_digest(path) != first


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"id,a\n", "it has a header and no records"),
        (b"id,a,id\n1,2,3\n", "the header names id more than once"),
        (b"id,a\n1,2\n1\n2,3,4\n", "other than the header's 2 fields in 2 rows (line 3: 1, line 4: 3)"),
    ],
)
def test_refused(path: Path, content: bytes, named: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetRefused) as raised:
        read_csv(path, "timestamp")
    assert raised.value.about["problems"] == (named,)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("id,a\n1,x\n2,caf\u00e9\n".encode("latin-1"), "line 3 is not UTF-8 text (byte 0xe9)"),
        ("id,a\n1,x\n".encode("utf-16"), "line 1 is not UTF-8 text (byte 0xff)"),
        (b"id,a\n1,\0\0\n", "line 2 is no text"),
        (gzip.compress(b"id,a\n1,x\n", mtime=0), "line 1 is no text"),
        (b'id,a\n1,x\n2,"y\n3,z\n', "the record from line 3 on is no CSV"),
    ],
)
def test_unreadable(path: Path, content: bytes, named: str) -> None:
    path.write_bytes(content)
    with pytest.raises(DatasetUnreadable) as raised:
        read_csv(path, "timestamp")
    assert named in raised.value.what


def test_folder_of_that_name_is_unreadable(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DatasetUnreadable, match="Is a directory"):
        csv_digest(path)
