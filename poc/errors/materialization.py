"""Materialization that cannot go on, or did not arrive."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from poc.errors.base import PocError


class DirectTableDiffers(PocError):
    """The direct table has a column of another type, or another key, than is declared now."""

    way_out = (
        "It holds nothing that the sources do not. Make and fill it anew:"
        " python scripts/feast_materialize.py --replace"
    )

    def __init__(self, reason: str) -> None:
        super().__init__(f"The direct table was made for other definitions: {reason}")


class ValuesInTheWay(PocError):
    """A table with a fixed name holds values that a full run cannot replace."""

    way_out = (
        "Nothing was written. Empty the table and fill it anew (meanwhile its values are missing; with"
        " --accept-drift where that was given): python scripts/feast_materialize.py --full --replace"
    )

    def __init__(self, table: str, found: Sequence[str]) -> None:
        super().__init__(f"{table} holds what the sources cannot replace: {', '.join(found)}")


class LoadTakenBack(PocError):
    """The source still has what a person took back."""

    way_out = "Correct the source; or load it all the same: python scripts/feast_materialize.py --full"

    def __init__(self, view: str, number: int) -> None:
        what = f"The source of feature view {view} is as it was for generation {number}, taken back"
        super().__init__(what)


class NoGenerations(PocError):
    """The online store keeps no generations."""

    exit_status = 2
    way_out = (
        "The row store keeps more (feature_repo/stores/rows.yaml). To go back here, correct the source, then:"
        " python scripts/feast_materialize.py --full --replace"
    )

    def __init__(self, store_type: str) -> None:
        super().__init__(f"The online store ({store_type}) keeps one set of values only")


class NothingToMaterialize(PocError):
    """No row of the Parquet falls into the interval.

    Args:
        newest: event time of its newest row up to now; of all its rows where they lie in the future, None
            where it has none.
        waits: whether all of them lie in the future.
    """

    way_out = "Name an interval that holds rows: python scripts/feast_materialize.py --start TIME --end TIME"

    def __init__(
        self, path: Path, start: datetime, end: datetime, newest: datetime | None, waits: bool = False
    ) -> None:
        found = "it holds no rows" if newest is None else f"its newest row is of {newest:%Y-%m-%dT%H:%M:%S}"
        interval = f"{start:%Y-%m-%dT%H:%M:%S} and {end:%Y-%m-%dT%H:%M:%S} UTC"
        way_out = None
        if waits:
            # No interval reaches them.
            found = f"all its rows lie in the future, up to {newest:%Y-%m-%dT%H:%M:%S}"
            way_out = "Correct their times, or wait for them; then: python scripts/feast_materialize.py"
        super().__init__(f"No row of {path} lies between {interval}: {found}", way_out)


class OnlineValuesDiffer(PocError):
    """The online store gives other values than the Parquet."""

    way_out = "Materialize everything anew: python scripts/feast_materialize.py --full"

    def __init__(self, found: Sequence[str]) -> None:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        super().__init__(f"Online values differ from the Parquet's: {'; '.join(found[:5])}{more}")
