"""Find each entity's latest row among many, in memory that grows with the entities, not with the rows.

Rows are known by their position in the scan. The latest is the one of the newest event time; among
equals the newest created time (a missing one counts as newest), then the last position: the order in
which Feast's own file store sorts and keeps the last.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

POSITION = "__position"
# Reduced whenever this many rows more than entities are held.
_SLACK_ROWS = 200_000


class LatestRows:
    """Takes batches of keys and times, keeps the latest row of each key.

    Args:
        keys: the columns that together name an entity; none if all rows are one entity's.
        order: the columns that say which row is later, most important first.
    """

    def __init__(self, keys: Sequence[str], order: Sequence[str]) -> None:
        self._keys = list(keys)
        self._order = [(name, "ascending") for name in order] + [(POSITION, "ascending")]
        self._held: list[pa.Table] = []
        self._held_rows = self._reduced_rows = self.seen = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch of the key and order columns; its rows follow those before."""
        if batch.num_rows == 0:
            return
        positions = pa.array(np.arange(self.seen, self.seen + batch.num_rows, dtype=np.int64))
        self._held.append(_plain(batch).append_column(POSITION, positions))
        self.seen += batch.num_rows
        self._held_rows += batch.num_rows
        if self._held_rows > self._reduced_rows * 2 + _SLACK_ROWS:
            self._reduce()

    def positions(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Return the positions of the latest rows, ascending, and forget everything but `seen`."""
        if not self._held:
            return np.empty(0, np.int64)
        self._reduce()
        positions = np.sort(self._held.pop()[POSITION].to_numpy())
        pa.default_memory_pool().release_unused()
        return positions

    def _reduce(self) -> None:
        rows = pa.concat_tables(self._held, promote_options="permissive")
        self._held = []
        order = pc.sort_indices(rows, [*((key, "ascending") for key in self._keys), *self._order])
        rows = rows.take(order.filter(self._ends_of_keys(rows, order)))
        self._held = [rows]
        self._held_rows = self._reduced_rows = rows.num_rows

    def _ends_of_keys(self, rows: pa.Table, order: pa.Array) -> pa.Array:
        """Mark, in sorted order, the last row of each key."""
        ends = np.zeros(len(order), bool)
        ends[-1] = True
        for key in self._keys:
            values = rows[key].take(order)
            # A null equals nothing: such rows all stay, and are refused when they are to be written.
            changes = pc.fill_null(pc.not_equal(values[1:], values[:-1]), True)
            ends[:-1] |= changes.to_numpy()
        return pa.array(ends)


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """Decode dictionaries: those of two batches need not agree, and cannot be sorted."""
    plain = [
        pa.field(column.name, column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in batch.schema
    ]
    return pa.table(batch).cast(pa.schema(plain))
