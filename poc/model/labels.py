"""The labels, and what Feast is to be asked for with each: the join keys of a service, and a time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poc.dataset.column_types import arrow_type, key_columns
from poc.dataset.conversion import convert, convert_times
from poc.dataset.label import LABEL, labelled_view
from poc.dataset.stored import open_source, unreadable
from poc.definitions import ServedFeatures
from poc.errors import LabelsUnavailable

if TYPE_CHECKING:
    import pandas as pd

# The column in which Feast looks for the time of an entity row.
EVENT_TIMESTAMP = "event_timestamp"


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What one source says of its rows.

    Attributes:
        rows: a row a label: the service's join keys in their declared types, `event_timestamp`, and
            `is_fraud` as 0 or 1.
    """

    rows: "pd.DataFrame"
    unlabelled: int
    repeated: int
    keyless: int


def read_labels(served: ServedFeatures) -> Labels:
    """Read keys, event time and label of every row of the source that has labels.

    Raises:
        DatasetNotPrepared, DatasetUnreadable: a source cannot be read.
        ColumnsMissing: the source lacks a join key of the service, or is the only one and has no labels.
        LabelsUnavailable: no source has a label, or several have, or it has none in any row.
    """
    import pyarrow as pa

    labelled = labelled_view(served)
    definitions, columns = labelled.definitions, served.key_columns(labelled)
    moment = definitions.timestamp_column
    own = key_columns(definitions) or list(columns.values())
    wanted = list(dict.fromkeys([*columns.values(), *own, moment, LABEL]))
    source = open_source(definitions, wanted)
    with unreadable(definitions.source_path):
        stored = source.to_table(wanted)
    # Feast sorts by the time of writing, then by the event time with a sort that is not stable: of two
    # rows of one id and time it takes either, so a label might meet the features of the other.
    together = stored.select(list(dict.fromkeys([*own, moment])))
    repeated = together.to_pandas(integer_object_nulls=True).duplicated(keep=False)
    rows = pa.table(
        {key.name: convert(stored.column(columns[key.name]), arrow_type(key)) for key in served.join_keys}
        | {
            EVENT_TIMESTAMP: convert_times(stored.column(moment)),
            LABEL: convert(stored.column(LABEL), pa.int64(), binary=True),
        }
    )
    known = rows.filter(pa.array(~repeated))
    labels = known.filter(known.column(LABEL).is_valid())
    if labels.num_rows == 0:
        raise LabelsUnavailable([definitions.source_path], f"its column {LABEL} is empty")
    kept = labels.drop_null()
    return Labels(
        rows=kept.to_pandas(),
        unlabelled=known.num_rows - labels.num_rows,
        repeated=int(repeated.sum()),
        keyless=labels.num_rows - kept.num_rows,
    )
