"""The labels: which payment was fraud, at what time it was made, and when that was first written down.

The features that belong to them are another source's, or the same one's: `poc.model.examples` joins them.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from poc.dataset.checks import as_labels
from poc.dataset.columns import LABEL, arrow_type
from poc.dataset.conversion import convert, convert_times
from poc.dataset.history import NEVER, Integers, entity_numbers, microseconds
from poc.dataset.stored import read_source
from poc.definitions import ServedFeatures, ServedView
from poc.errors import LabelsUnavailable
from poc.online_store.latest import LatestRows

# The column in which Feast looks for the time of an entity row.
EVENT_TIMESTAMP = "event_timestamp"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labelled payments, one for the same keys and time, and how many rows of the source are none.

    Attributes:
        rows: the service's join keys, `event_timestamp`, and `is_fraud` as 0 or 1.
        moments: their times in microseconds.
        created: when the first row of those keys and that time was created, in microseconds; before all times
            where it does not say.
        repeated: rows left out because several have the same keys, time and created time, and nothing says
            which one is right.
        keyless: labelled rows left out because one of their keys is null: nothing can be asked by that.
        corrected: labelled rows left out because one that was created later has the same keys and time.
    """

    rows: pa.Table
    moments: Integers
    created: Integers
    unlabelled: int
    repeated: int
    keyless: int
    corrected: int


def read_labels(served: ServedFeatures, labelled: ServedView) -> Labels:
    """Read the labels from the source of `labelled`: of a payment that was corrected, the latest.

    Raises DatasetNotPrepared, DatasetUnreadable, DatasetRefused, ColumnsMissing, LabelsUnavailable.
    """
    definitions, columns = labelled.definitions, served.key_columns(labelled)
    times = [definitions.timestamp_column]
    if definitions.created_timestamp_column is not None:
        times.append(definitions.created_timestamp_column)
    stored = read_source(definitions, list(dict.fromkeys([*columns.values(), *times, LABEL])))
    keys = {key.name: convert(stored.column(columns[key.name]), arrow_type(key)) for key in served.join_keys}
    moments, *created_column = (convert_times(stored.column(name)) for name in times)
    label = as_labels(stored.column(LABEL), definitions)
    rows = pa.table({**keys, EVENT_TIMESTAMP: moments, LABEL: label})

    own = [*(keys[name] for name in labelled.request_keys or keys), moments]
    payments = entity_numbers(own, rows.num_rows)
    written = entity_numbers([*own, *created_column], rows.num_rows)
    repeated = np.bincount(written)[written] > 1
    created = microseconds(created_column[0]) if created_column else np.full(rows.num_rows, NEVER)
    first_created = np.full(rows.num_rows, np.iinfo(np.int64).max)
    np.minimum.at(first_created, payments, created)
    is_labelled = ~repeated & rows.column(LABEL).is_valid().to_numpy()
    if not is_labelled.any():
        reason = f"its column {LABEL} is empty"
        if label.null_count < len(label):
            reason = "of each payment there are rows of the same time, and nothing says which one is right"
        raise LabelsUnavailable([definitions.source_path], reason)
    has_keys = np.logical_and.reduce([column.is_valid().to_numpy() for column in rows.columns[:-1]])
    usable = np.flatnonzero(is_labelled & has_keys)
    latest = LatestRows(["payment"], ["created"])
    latest.add(pa.record_batch({"payment": payments[usable], "created": created[usable]}))
    kept = usable[latest.positions()]
    return Labels(
        rows=rows.take(pa.array(kept)),
        moments=microseconds(moments)[kept],
        created=first_created[payments[kept]],
        unlabelled=int((~repeated & ~is_labelled).sum()),
        repeated=int(repeated.sum()),
        keyless=int(is_labelled.sum()) - len(usable),
        corrected=len(usable) - len(kept),
    )
