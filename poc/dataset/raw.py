"""Read a person's CSV as it stands: every value as text, every record with its line.

Knows encodings, quoting and line numbers; what a value has to be is the business of the checks.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from poc.dataset.checks import describe_rows
from poc.errors import DatasetRefused, DatasetUnreadable


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One reading of a CSV file.

    Attributes:
        table: its records, every column text; an empty field is null.
        lines: the line on which each record begins, the header's being 1.
    """

    table: pa.Table
    lines: Sequence[int]
    sha256: str


def csv_digest(path: Path) -> str | None:
    """Give the hex digest of the file, or None if there is none.

    Raises:
        DatasetUnreadable: it is a folder, or may not be read.
    """
    content = _content(path)
    return None if content is None else sha256(content).hexdigest()


def read_csv(path: Path) -> CsvFile:
    """Read the file: comma-separated, UTF-8, names in the first line.

    Raises:
        DatasetUnreadable: it is not there, or is no such file.
        DatasetRefused: it has no records, columns of one name, or records longer or shorter than the header.
    """
    content = _content(path)
    if content is None:
        raise DatasetUnreadable(path, "it is gone")
    names, records, lines = _parse(path, content)
    for separator, spoken in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and separator in names[0]:
            raise DatasetRefused(path, [f"its fields are separated by {spoken}, not by commas"])
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DatasetRefused(path, [f"the header names {', '.join(repeated)} more than once"])
    uneven = [number for number, record in enumerate(records) if len(record) != len(names)]
    if uneven:
        where = describe_rows(uneven, lambda row: f"line {lines[row]}: {len(records[row])}", None)
        raise DatasetRefused(path, [f"other than the header's {len(names)} fields in {where}"])
    if not records:
        raise DatasetRefused(path, ["it has a header and no records" if names else "it is empty"])
    columns = [
        pa.array([None if value == "" else value for value in column], pa.string())
        for column in zip(*records, strict=True)
    ]
    return CsvFile(pa.table(columns, names=names), lines, sha256(content).hexdigest())


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatasetUnreadable(path, str(error.strerror)) from error


def _parse(path: Path, content: bytes) -> tuple[list[str], list[list[str]], list[int]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DatasetUnreadable(
            path, f"line {line} is no UTF-8 text (byte {content[error.start]:#04x}): save it as UTF-8"
        ) from None
    if "\0" in text:
        raise DatasetUnreadable(path, f"line {text.count(chr(10), 0, text.index(chr(0))) + 1} is no text")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[list[str]] = []
    lines: list[int] = []
    before = 0
    try:
        for record in reader:
            if record:
                records.append(record)
                lines.append(before + 1)
            before = reader.line_num
    except csv.Error as error:
        raise DatasetUnreadable(path, f"the record from line {before + 1} on is no CSV ({error})") from None
    names = [name.strip() for name in records[0]] if records else []
    return names, records[1:], lines[1:]
