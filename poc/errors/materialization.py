"""Materialization that cannot go on, or did not arrive."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from poc.online_store.errors import PocError


class DirectTableDiffers(PocError):
    """The direct table has a column of another type, or another key, than is declared now."""

    told = "The direct table was made for other definitions: {reason}"
    way_out = (
        "It holds nothing that the sources do not. Make and fill it anew:"
        " python scripts/feast_materialize.py --replace"
    )


class ValuesInTheWay(PocError):
    """A table with a fixed name holds values that a full run cannot replace."""

    told = "{table} holds what the sources cannot replace: {found}"
    way_out = (
        "Nothing was written. Empty the table and fill it anew (meanwhile its values are missing; with"
        " --accept-drift where that was given): python scripts/feast_materialize.py --full --replace"
    )


class LoadTakenBack(PocError):
    """The source still has what a person took back."""

    told = "The source of feature view {view} is as it was for generation {number}, taken back"
    way_out = "Correct the source; or load it all the same: python scripts/feast_materialize.py --full"


class NoGenerations(PocError):
    """The online store keeps no generations."""

    told = "The online store ({type}) keeps one set of values only"
    exit_status = 2
    way_out = (
        "The row store keeps more (feature_repo/stores/rows.yaml). To go back here, correct the source, then:"
        " python scripts/feast_materialize.py --full --replace"
    )


class NothingToMaterialize(PocError):
    """No row of the Parquet falls into the interval.

    Args:
        newest: event time of its newest row up to now; of all its rows where they lie in the future, None
            where it has none.
        waits: whether all of them lie in the future.
    """

    told = "No row of {path} lies between {start:%Y-%m-%dT%H:%M:%S} and {end:%Y-%m-%dT%H:%M:%S} UTC: {found}"
    way_out = "Name an interval that holds rows: python scripts/feast_materialize.py --start TIME --end TIME"
    # No interval reaches them.
    waiting = "Correct their times, or wait for them; then: python scripts/feast_materialize.py"

    def __init__(
        self, path: Path, start: datetime, end: datetime, newest: datetime | None, waits: bool = False
    ) -> None:
        found = "it holds no rows"
        if newest is not None:
            which = "all its rows lie in the future, up to" if waits else "its newest row is of"
            found = f"{which} {newest:%Y-%m-%dT%H:%M:%S}"
        super().__init__(path, start, end, found, way_out=self.waiting if waits else None)


class OnlineValuesDiffer(PocError):
    """The online store gives other values than the Parquet."""

    told = "Online values differ from the Parquet's: {found}"
    way_out = "Materialize everything anew: python scripts/feast_materialize.py --full"

    def __init__(self, found: Sequence[str]) -> None:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        super().__init__("; ".join(found[:5]) + more)
