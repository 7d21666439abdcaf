"""The one rule of which row of an entity is the latest.

The newest event time decides; among equals the newest created time, a missing one coming before any
other; then the last position.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

POSITION = "__position"
# Reduced whenever this many rows more than entities are held.
_SLACK_ROWS = 200_000


def rank(event_us: int, created_us: int | None) -> tuple[int, bool, int]:
    """Return what is greater for a later row, and equal where only their positions decide.

    Both times are microseconds since 1970; None is of a row that does not say when it was created.
    """
    return event_us, created_us is not None, created_us or 0


def oldest_first(rows: pa.Table, order: Iterable[str]) -> pa.Array:
    """Return the indices that sort `rows` by `order`, most important column first; a null is before all.

    For the latest row of each key to be the last of its rows, `order` ends with event time, created time
    and position.
    """
    return pc.sort_indices(rows, [(name, "ascending") for name in order], null_placement="at_start")


class LatestRows:
    """Takes batches of keys and times, keeps the latest row of each key, in memory that grows with the keys.

    Args:
        keys: the columns that together name an entity; none if all rows are one entity's.
        order: event time and, where the source has it, created time.
    """

    def __init__(self, keys: Sequence[str], order: Sequence[str]) -> None:
        self._keys = list(keys)
        self._order = [*keys, *order, POSITION]
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
            rows, latest = self._latest()
            self._held = [rows.take(latest)]
            self._held_rows = self._reduced_rows = len(latest)

    def positions(self) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
        """Return the positions of the latest rows, ascending, and forget everything but `seen`."""
        if not self._held:
            return np.empty(0, np.int64)
        rows, latest = self._latest()
        positions = np.sort(rows[POSITION].take(latest).to_numpy())
        del rows
        pa.default_memory_pool().release_unused()
        return positions

    def _latest(self) -> tuple[pa.Table, pa.Array]:
        """Return all that was held, which is forgotten, and the indices of the latest rows in it."""
        rows = pa.concat_tables(self._held, promote_options="permissive")
        self._held = []
        order = oldest_first(rows, self._order)
        is_last = np.zeros(len(order), bool)
        is_last[-1] = True
        for key in self._keys:
            values = rows[key].take(order)
            # A null equals nothing: such rows all stay, and are refused when they are to be written.
            changes = pc.fill_null(pc.not_equal(values[1:], values[:-1]), True)
            is_last[:-1] |= changes.to_numpy()
        return rows, order.filter(pa.array(is_last))


def _plain(batch: pa.RecordBatch) -> pa.Table:
    """Decode dictionaries: those of two batches need not agree, and cannot be sorted."""
    plain = [
        pa.field(column.name, column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in batch.schema
    ]
    return pa.table(batch).cast(pa.schema(plain))
