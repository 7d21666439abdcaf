"""What a source knew of entities at moments of the past: Feast's point-in-time join, linear in the rows.

Feast's file store joins every row of an entity with every moment that asks for it, and takes created times
to break ties only. Which of the rows that were known is the latest is `poc.online_store.latest`'s rule.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from poc.dataset.columns import arrow_type
from poc.dataset.conversion import convert, utc_times
from poc.dataset.stored import parquet_columns, read_source
from poc.definitions import FeatureSet
from poc.online_store.latest import oldest_first

Integers: TypeAlias = NDArray[np.int64]
# What a time is counted as where there is none: it is before any other.
NEVER = np.iinfo(np.int64).min


def known_then(
    definitions: FeatureSet,
    features: Sequence[str],
    keys: Sequence[pa.ChunkedArray],
    moments: Integers,
    until: Integers,
) -> pa.Table:
    """Read what a view's source knew of entities: its latest row, within the view's ttl, of each moment.

    Args:
        features: those that are wanted.
        keys: the entities: a column a join key of the view, in its type and without nulls.
        moments: for each entity the time asked about, itself included, as `microseconds` counts it.
        until: for each entity when a row must have been created to be known, itself included. A row that does
            not say when it was created is known.

    Returns: A row an entity, in their order, with the source's own types; null where nothing was known.

    Raises DatasetNotPrepared, DatasetUnreadable, ColumnsMissing: there is nothing to read.
    """
    columns = parquet_columns(definitions)
    wanted = [definitions.column(name) for name in features]
    stored = read_source(definitions, list(dict.fromkeys([*columns.keys, *wanted, *columns.order()])))
    stored = stored.filter(pc.is_valid(stored.column(columns.timestamp)))
    events = microseconds(stored.column(columns.timestamp))
    created = np.full(len(events), NEVER)
    if columns.created is not None:
        created = microseconds(stored.column(columns.created))
    both = []
    for column, key, asked in zip(columns.keys, definitions.join_keys, keys, strict=True):
        kind = arrow_type(key)
        known = convert(stored.column(column), kind)
        both.append(pa.chunked_array([*known.chunks, *asked.cast(kind).chunks], kind))
    entities = entity_numbers(both, len(events) + len(moments))
    found = _last_known(entities, events, created, moments, until)
    unknown = found == len(events)
    if definitions.ttl is not None:
        ttl_us = definitions.ttl // timedelta(microseconds=1)
        unknown |= np.append(events, NEVER)[found] < moments - ttl_us
    return stored.select(wanted).take(pa.array(found, mask=unknown)).rename_columns(list(features))


def microseconds(times: pa.ChunkedArray) -> Integers:
    """Count the microseconds from 1970 to each time; `NEVER` for a missing one."""
    counted = utc_times(times).cast(pa.int64())
    numbers: Integers = counted.fill_null(int(NEVER)).to_numpy()
    return numbers


def entity_numbers(keys: Sequence[pa.ChunkedArray], count: int) -> Integers:
    """Number the entities of `count` rows from 0: rows of equal keys have one number; a null equals nulls."""
    numbers: Integers = np.zeros(count, np.int64)
    for key in keys:
        encoded = key.combine_chunks().dictionary_encode(null_encoding="encode")
        both = numbers * len(encoded.dictionary) + encoded.indices.to_numpy()
        # Numbered anew after each key, they stay below the number of rows, and their products in range.
        numbers = np.unique(both, return_inverse=True)[1]
    return numbers


def _last_known(
    entities: Integers, events: Integers, created: Integers, moments: Integers, until: Integers
) -> Integers:
    """Find each moment's last row that was created by then; the number of rows stands for none.

    `entities` are those of the rows, then of the moments.
    """
    count = len(events)
    times = np.unique(np.concatenate((events, moments)), return_inverse=True)[1]
    places = entities * len(entities) + times
    rows = pa.table({"place": places[:count], "created": created, "position": np.arange(count)})
    # From the oldest to the latest of each entity, entity by entity, after one that stands for none.
    order = np.insert(oldest_first(rows, rows.column_names).to_numpy().astype(np.int64), 0, count)
    last = np.searchsorted(places[order[1:]], places[count:], side="right")
    created = np.append(created, NEVER)[order]
    # No step back goes beyond an entity's first row.
    bounded = created.copy()
    bounded[np.flatnonzero(np.diff(entities[order[1:]], prepend=-1)) + 1] = NEVER
    last = _last_created_by(until, last, bounded)
    known = (entities[order[last]] == entities[count:]) & (created[last] <= until)
    return np.where(known & (last > 0), order[last], count)


def _last_created_by(until: Integers, last: Integers, created: Integers) -> Integers:
    """Step back from each row of `last` to the nearest one that was created by `until`.

    By halving steps: what is compared is the earliest created time of 1, 2, 4, ... rows that end at a row.
    """
    earliest = [created]
    while (earliest[-1][last] > until).any():
        rows = 1 << (len(earliest) - 1)
        longer = earliest[-1].copy()
        longer[rows:] = np.minimum(longer[rows:], earliest[-1][:-rows])
        earliest.append(longer)
    for level in reversed(range(len(earliest) - 1)):
        last = np.where(earliest[level][last] > until, last - (1 << level), last)
    return last
