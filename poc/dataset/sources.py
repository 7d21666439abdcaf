"""Where the records come from: the Parquet in place, a person's CSV or Parquet, or the generator.

Knows which of them is to be used when several are there, and how a CSV is read: unpacked, each value as text,
each record with its line. What the records have to be is the business of `prepare`.
"""

import bz2
import csv
import gzip
import io
import lzma
import re
import sys
import zlib
from array import array
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import pyarrow as pa

from poc.dataset.checks import describe_rows
from poc.dataset.columns import value_types
from poc.dataset.generate import SEED, can_generate, generate_dataset
from poc.dataset.parquet import Provenance, Records, read_content, read_parquet, require_no_dead_link
from poc.definitions import FeatureSet
from poc.errors import DatasetMisnamed, DatasetRefused, DatasetUnreadable, SourceMissing, TwoDatasets

# The guide's source: records are generated for no other.
GENERATED = "credit_card_fraud_10k.parquet"
# What a person's CSV may be called after the Parquet's stem, in any case.
_CSV = re.compile(r"\.csv(\.(gz|bz2|xz|zip))?|\.zip", re.IGNORECASE)
# What else may hold a person's records, and is none that can be told apart from the rest.
_DATA = re.compile(
    r".*\.(csv|tsv|txt|xlsx?|ods|jsonl?|parquet|pq|feather|orc|zip|gz|bz2|xz|zst|7z)", re.IGNORECASE
)
_SEPARATORS = ",;\t|"
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_RECORDS_AT_A_TIME = 20_000
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))


def find_sources(
    definitions: FeatureSet, csv_path: Path, *, refresh: bool
) -> tuple[Records | None, Sequence[Callable[[], Records]]]:
    """Return the Parquet in place, and what to prepare; of two the second is for when the first is refused.

    Records that are in place are kept, unless they come from another file than the CSV that is there
    now, or `refresh` asks to make them anew. A Parquet that holds the only copy of a person's records
    is never given up.

    Raises DatasetUnreadable, DatasetMisnamed, TwoDatasets, SourceMissing.
    """
    if not definitions.timestamp_column:
        # Feast infers it, from a Parquet that is there.
        raise source_missing(definitions)
    path = definitions.source_path
    stored = read_parquet(path)
    digest = csv_digest(csv_path)
    origin = None if stored is None else stored.provenance.origin
    alike = called_alike(csv_path.parent, path)
    if path.name != GENERATED:
        # Beside another source than the guide's, a Parquet may be that of a view called alike.
        alike = [item for item in alike if item.suffix.lower() != path.suffix]
    candidates: list[Callable[[], Records]] = []
    if digest is not None:
        if origin == "parquet":
            raise TwoDatasets(csv_path, path)
        candidates = [partial(read_csv, csv_path, definitions.timestamp_column)]
    elif origin in (None, "generated") and path.name == GENERATED and can_generate(definitions):
        # Nothing is made up where somebody's records may be.
        if alike:
            raise DatasetMisnamed(alike, csv_path)
        candidates = [partial(_generated, path, definitions)]
    elif stored is None:
        raise source_missing(definitions)
    # They may be meant to replace the records, whose own file is gone.
    elif alike and origin != "parquet":
        raise DatasetMisnamed(alike, csv_path, path)
    if stored is not None:
        made_anew = refresh or digest not in (None, stored.provenance.sha256)
        if not (candidates and made_anew):
            candidates.insert(0, lambda: stored)
    return stored, candidates


def source_missing(definitions: FeatureSet) -> SourceMissing:
    """Return the error that says what the source of a view has to hold."""
    columns = list(filter(None, [*value_types(definitions, label=False), definitions.timestamp_column]))
    return SourceMissing(definitions.source_path, definitions.view, columns or "those of the features")


def _generated(path: Path, definitions: FeatureSet) -> Records:
    provenance = Provenance("generated", None, SEED, own_timestamps=False)
    return Records(path, generate_dataset(definitions, SEED), provenance, "row {}".format)


def find_csv(data_dir: Path, parquet: Path) -> Path:
    """Return where a person's CSV for `parquet` is, or would be; its name may be in any case, and it packed.

    Raises DatasetMisnamed where there are several, DatasetUnreadable for a link that leads nowhere.
    """
    usual, stem = data_dir / f"{parquet.stem}.csv", len(parquet.stem)
    found = [path for path in called_alike(data_dir, parquet) if _CSV.fullmatch(path.name[stem:])]
    if len(found) > 1:
        raise DatasetMisnamed(found, usual)
    if not found:
        return usual
    require_no_dead_link(found[0])
    return found[0]


def called_alike(data_dir: Path, parquet: Path) -> list[Path]:
    """List the data files in `data_dir` whose name begins as that of `parquet` does."""
    stem = parquet.stem.lower()
    return [
        path
        for path in (sorted(data_dir.iterdir()) if data_dir.is_dir() else ())
        if path.name.lower().startswith(stem) and _DATA.fullmatch(path.name) and path.name != parquet.name
    ]


def csv_digest(path: Path) -> str | None:
    """Return the hex digest of the file, or None if there is none.

    Raises DatasetUnreadable: it is a folder, or may not be read.
    """
    content = read_content(path)
    return None if content is None else sha256(content).hexdigest()


def read_csv(path: Path, timestamp_column: str) -> Records:
    """Read the file: UTF-8, names in the first line; separated by commas, semicolons, tabs or bars.

    Every value is text, null where a field is empty; the place of a record is its first line. Its event
    times are a person's where the file has a `timestamp_column`.

    Raises DatasetUnreadable, DatasetRefused.
    """
    content = read_content(path)
    if content is None:
        raise DatasetUnreadable(path, "it is gone")
    digest = sha256(content).hexdigest()
    content = _unpacked(path, content)
    _require_text(path, content)
    records = _records(path, content)
    names = [name.strip() for name in next(records, (0, []))[1]]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DatasetRefused(path, [f"the header names {', '.join(repeated)} more than once"])
    schema = pa.schema([(name, pa.string()) for name in names])
    batches: list[pa.RecordBatch] = []
    lines = array("q")
    uneven: list[str] = []
    # In parts, so that few of the values are Python's at a time.
    while part := list(islice(records, _RECORDS_AT_A_TIME)):
        lines.extend(line for line, _ in part)
        uneven += [f"line {line}: {len(record)}" for line, record in part if len(record) != len(names)]
        if not uneven:
            columns = zip(*(record for _, record in part), strict=True)
            filled = [pa.array([value or None for value in column], pa.string()) for column in columns]
            batches.append(pa.record_batch(filled, schema))
    if uneven:
        where = describe_rows(range(len(uneven)), uneven.__getitem__, None)
        raise DatasetRefused(path, [f"other than the header's {len(names)} fields in {where}"])
    if not batches:
        raise DatasetRefused(path, ["it has a header and no records" if names else "it is empty"])
    provenance = Provenance("csv", digest, SEED, own_timestamps=timestamp_column in names)
    return Records(path, pa.Table.from_batches(batches, schema), provenance, lambda row: f"line {lines[row]}")


def _require_text(path: Path, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        at = error.start
        what = f"is not UTF-8 text (byte {content[at]:#04x}): save it as UTF-8"
        # Packed, or a Parquet: no encoding makes text of that.
        if b"\0" in content and not content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            what = "is no text"
    else:
        at, what = content.find(b"\0"), "is no text"
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise DatasetUnreadable(path, f"line {line} {what}")


def _records(path: Path, content: bytes) -> Iterator[tuple[int, list[str]]]:
    """Yield the records, the header's first, each with the line it begins on; an empty line is none."""
    text = io.TextIOWrapper(io.BytesIO(content), "utf-8-sig", newline="")
    header, first = text.readline(), 1
    # What Excel writes for itself.
    stated = _SEPARATOR_LINE.fullmatch(header)
    if stated:
        header, first = text.readline(), 2
    # The one that the header has most of, outside of quotes; a comma for none.
    bare = re.sub(r'"[^"]*"', "", header)
    separator = stated[1] if stated else max(_SEPARATORS, key=bare.count)
    # Where the header has a space after its separators, the values have; else a space is a value's own.
    spaced = f"{separator} " in header
    reader = csv.reader(chain([header], text), strict=True, delimiter=separator, skipinitialspace=spaced)
    before = 0
    try:
        for record in reader:
            if record:
                yield before + first, record
            before = reader.line_num
    except csv.Error as error:
        said = f"the record from line {before + first} on is no CSV ({error})"
        raise DatasetUnreadable(path, said) from None


def _unpacked(path: Path, content: bytes) -> bytes:
    ending = path.suffix.lower()
    try:
        if ending == ".zip":
            with ZipFile(io.BytesIO(content)) as packed:
                files = [name for name in packed.namelist() if not name.endswith("/") and _is_shown(name)]
                names = [name for name in files if name.lower().endswith(".csv")] or files
                if len(names) != 1:
                    raise DatasetUnreadable(path, f"it holds {len(names)} files, and one CSV is wanted")
                return packed.read(names[0])
        unpack = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".xz": lzma.decompress}.get(ending)
        return content if unpack is None else unpack(content)
    except (OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, BadZipFile) as error:
        raise DatasetUnreadable(path, f"it cannot be unpacked ({error})") from error


def _is_shown(name: str) -> bool:
    """Tell whether an entry is a person's: macOS packs notes of its own beside each file."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
