"""Where the records come from: the prepared Parquet, a person's CSV or Parquet, or the generator.

Knows which of them is to be used when several are there, and reads a CSV as it stands: every value as text,
every record with its line. What their records have to be is the business of `prepare`.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import pyarrow as pa

from poc.dataset.checks import describe_rows
from poc.dataset.column_types import value_types
from poc.dataset.generate import SEED, can_generate, generate_dataset
from poc.dataset.parquet import ParquetFile, Provenance, read_content, read_parquet
from poc.definitions import FeatureSet
from poc.errors import DatasetRefused, DatasetUnreadable, SourceMissing, TwoDatasets


@dataclass(frozen=True, slots=True)
class Records:
    """Records as found in the file that a person would correct; `place` names a row, counted from 0."""

    path: Path
    table: pa.Table
    provenance: Provenance
    place: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Sources:
    """What there is to prepare; of two `candidates` the second is for when the first is refused."""

    stored: ParquetFile | None
    candidates: tuple[Callable[[], Records], ...]

    @property
    def replaced(self) -> pa.Table | None:
        """The records in place, if we put them there: their transactions may be online."""
        return None if self.stored is None or self.stored.provenance is None else self.stored.table


def find_sources(definitions: FeatureSet, csv_path: Path, *, refresh: bool) -> Sources:
    """Look at what is there.

    Records that are in place are kept, unless they come from another file than the CSV that is there
    now, or `refresh` asks to make them anew. A Parquet that holds the only copy of a person's records
    is never given up.

    Raises DatasetUnreadable, TwoDatasets, SourceMissing.
    """
    if not definitions.timestamp_column:
        # Feast infers it, from a Parquet that is there.
        raise source_missing(definitions)
    path = definitions.source_path
    stored = read_parquet(path)
    digest = csv_digest(csv_path)
    note = None if stored is None else stored.provenance
    generated = stored is None or (note is not None and note.origin == "generated")
    if digest is not None:
        if stored is not None and (note is None or note.origin == "parquet"):
            raise TwoDatasets(csv_path, path)
        anew = partial(_from_csv, csv_path, definitions)
    elif generated and can_generate(definitions):
        anew = partial(_generated, path, definitions)
    elif stored is None:
        raise source_missing(definitions)
    else:
        anew = None
    candidates: list[Callable[[], Records]] = []
    same_file = digest is None or (note is not None and note.sha256 == digest)
    if stored is not None and same_file and not (refresh and anew is not None):
        candidates.append(partial(_in_place, path, stored, definitions))
    if anew is not None:
        candidates.append(anew)
    return Sources(stored, tuple(candidates))


def source_missing(definitions: FeatureSet) -> SourceMissing:
    """Return the error that says what the source of a view has to hold."""
    columns = [*value_types(definitions, label=False), definitions.timestamp_column]
    return SourceMissing(definitions.source_path, definitions.view, list(filter(None, columns)))


def _from_csv(path: Path, definitions: FeatureSet) -> Records:
    file = read_csv(path)
    own = definitions.timestamp_column in file.table.column_names
    provenance = Provenance("csv", file.sha256, SEED, own_timestamps=own)
    return Records(path, file.table, provenance, lambda row: f"line {file.lines[row]}")


def _generated(path: Path, definitions: FeatureSet) -> Records:
    provenance = Provenance("generated", None, SEED, own_timestamps=False)
    return Records(path, generate_dataset(definitions, SEED), provenance, _row)


def _in_place(path: Path, stored: ParquetFile, definitions: FeatureSet) -> Records:
    provenance = stored.provenance
    if provenance is None:
        own = definitions.timestamp_column in stored.table.column_names
        provenance = Provenance("parquet", stored.sha256, SEED, own_timestamps=own)
    return Records(path, stored.table, provenance, _row)


def _row(row: int) -> str:
    return f"row {row}"


@dataclass(frozen=True, slots=True)
class CsvFile:
    """One reading of a CSV: text, null where a field is empty, and the first line of each record."""

    table: pa.Table
    lines: Sequence[int]
    sha256: str


def csv_digest(path: Path) -> str | None:
    """Give the hex digest of the file, or None if there is none.

    Raises DatasetUnreadable: it is a folder, or may not be read.
    """
    content = read_content(path)
    return None if content is None else sha256(content).hexdigest()


def read_csv(path: Path) -> CsvFile:
    """Read the file: comma-separated, UTF-8, names in the first line.

    Raises DatasetUnreadable, DatasetRefused.
    """
    content = read_content(path)
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
    filled = ([value or None for value in column] for column in zip(*records, strict=True))
    columns = [pa.array(values, pa.string()) for values in filled]
    return CsvFile(pa.table(columns, names=names), lines, sha256(content).hexdigest())


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
