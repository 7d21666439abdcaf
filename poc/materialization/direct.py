"""Fill the direct table with what the online store holds."""

from collections.abc import Callable
from datetime import datetime

from cassandra.cluster import Session

from poc.database.direct_table import DirectTable
from poc.materialization.offline import latest_in_interval


def fill_direct_table(
    session: Session,
    table: DirectTable,
    start: datetime,
    end: datetime,
    progress: Callable[[int], object] | None = None,
    revision: int = 0,
) -> int:
    """Write the latest row of each transaction in [start, end), UTC; return how many there were.

    Makes the table, or adds the columns it lacks. A higher `revision` replaces rows of the same event time.

    Raises:
        DirectTableDiffers: a column is there with another type.
        DatasetNotPrepared, ColumnsMissing: the Parquet does not give the declared columns.
    """
    table.create(session)
    return table.write(session, latest_in_interval(table.definitions, start, end), progress, revision)
