"""How the values of a feature are distributed: bins chosen once, and how many values fall into each.

Knows how to choose bins and how to count, in Arrow columns of any length. What two distributions of one
feature say about each other is the business of `poc.quality.drift`.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Column: TypeAlias = pa.Array | pa.ChunkedArray
Counts: TypeAlias = NDArray[np.int64]
Value: TypeAlias = bool | int | float | str

RANGES = 10
# A number with more values than this is cut into ranges. An hour of the day has 24.
FEW_VALUES = 25
# A rarer value has no bin of its own: what little is known of it would be noise.
RARE_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Ranges:
    """Bins up to each of the ascending `edges`, times in microseconds, and beyond; then one of nulls."""

    edges: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.edges) + 2

    def count(self, column: Column) -> Counts:
        """Count the values in each bin."""
        numbers = _numbers(column.drop_null())
        counts = np.bincount(np.searchsorted(self.edges, numbers), minlength=len(self.edges) + 1)
        return np.append(counts, column.null_count).astype(np.int64)

    def labels(self) -> list[str]:
        """Name each bin."""
        first, last = self.edges[0], self.edges[-1]
        between = [f"{low:g} to {high:g}" for low, high in zip(self.edges, self.edges[1:], strict=False)]
        return [f"up to {first:g}", *between, f"above {last:g}", "null"]


@dataclass(frozen=True, slots=True)
class Values:
    """A bin for each of some values, then one of all others, then one of nulls."""

    values: tuple[Value, ...]

    def __len__(self) -> int:
        return len(self.values) + 2

    def count(self, column: Column) -> Counts:
        """Count the values in each bin."""
        known = pc.index_in(column, value_set=pa.array(self.values, column.type)).drop_null().to_numpy()
        counts = np.bincount(known, minlength=len(self.values))
        others = len(column) - column.null_count - len(known)
        return np.concatenate([counts, [others, column.null_count]]).astype(np.int64)

    def labels(self) -> list[str]:
        """Name each bin."""
        return [*(str(value) for value in self.values), "another value", "null"]


Bins: TypeAlias = Ranges | Values


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many values of a feature fell into each of some bins."""

    bins: Bins
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.counts) != len(self.bins) or min(self.counts) < 0:
            raise ValueError(f"{len(self.bins)} bins have the counts {self.counts}")


def distribution(column: Column) -> Distribution | None:
    """Choose bins by `column`, and count its values in them.

    A number or a time with more than 25 values gets ten ranges with as many values in each, as far as
    equal values allow; anything else a bin for each value that at least one in a hundred rows has.
    Where none has, as with names, there are the bins of all values and of nulls only. NaN is null.

    Returns: None where there is no value, and for lists and bytes, which have no such distribution.
    """
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_binary(kind):
        return None
    column = without_nan(column)
    present = column.drop_null()
    if len(present) == 0:
        return None
    found = pc.value_counts(present)
    if not (pa.types.is_string(kind) or pa.types.is_boolean(kind)) and len(found) > FEW_VALUES:
        cuts = np.arange(1, RANGES) / RANGES
        # Inverted: an edge is a value that is there, so that equal values stay together.
        edges = np.unique(np.quantile(_numbers(present), cuts, method="inverted_cdf"))
        bins: Bins = Ranges(tuple(float(edge) for edge in edges))
    else:
        pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
        enough = len(column) * RARE_SHARE
        bins = Values(tuple(sorted(value for value, count in pairs if count >= enough)))
    return Distribution(bins, tuple(int(count) for count in bins.count(column)))


def without_nan(column: Column) -> Column:
    """Make a null of each NaN."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _numbers(column: Column) -> NDArray[np.float64]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False).cast(pa.int64())
    return np.asarray(column.to_numpy(), np.float64)
