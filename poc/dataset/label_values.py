"""The labels of a source: 0 and 1, or words for them, and nothing where it is not known."""

import pyarrow as pa
import pyarrow.compute as pc

from poc.dataset.checks import NO_LABEL, is_blank
from poc.dataset.column_types import LABEL
from poc.dataset.conversion import convert
from poc.dataset.stored import read_source, source_columns
from poc.definitions import FeatureSet
from poc.errors import DatasetRefused

_SHOWN = 5


def require_labels(definitions: FeatureSet) -> None:
    """Refuse wrong labels in a source that is only read, where it has any, before something learns from them.

    Raises DatasetRefused, and what `read_source` does.
    """
    if LABEL in source_columns(definitions):
        as_labels(read_source(definitions, [LABEL]).column(LABEL), definitions)


def as_labels(column: pa.ChunkedArray, definitions: FeatureSet) -> pa.ChunkedArray:
    """Give labels as 0 and 1, null where there is none.

    Raises DatasetRefused: there are other values.
    """
    labels = convert(column, pa.int64(), binary=True)
    unread = pc.invert(pc.is_in(labels, pa.array([0, 1])))
    wrong = [
        value
        for value in column.filter(pc.and_(unread, pc.is_valid(column))).to_pylist()
        if not is_blank(value) and value == value  # A NaN is nothing, too.
    ]
    if wrong:
        distinct = list(dict.fromkeys(f"{value!r:.40}" for value in wrong))
        found = ", ".join(distinct[:_SHOWN]) + (", ..." if distinct[_SHOWN:] else "")
        rows = "1 row" if len(wrong) == 1 else f"{len(wrong):,} rows"
        allowed = "allowed are 0 and 1, false and true, and nothing where it is not known"
        raise DatasetRefused(definitions.source_path, [f"{LABEL}: {NO_LABEL} in {rows} ({found}); {allowed}"])
    return labels
