"""Materialization that cannot go on, or did not arrive."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from poc.errors.base import PocError


class KeyspaceReplicationDiffers(PocError):
    """A keyspace is there with another number of copies than is configured."""

    def __init__(self, keyspace: str, existing: Mapping[str, str], wanted: Mapping[str, str]) -> None:
        super().__init__(
            f"Keyspace {keyspace} has replication {dict(existing)}, the configuration says {dict(wanted)}",
            "Nothing was changed. Configure what is there, or ALTER KEYSPACE and run nodetool repair.",
        )


class DirectTableDiffers(PocError):
    """A feature's declared type is not the one its column in the direct table has."""

    def __init__(self, table: str, column: str, existing: str, wanted: str) -> None:
        super().__init__(
            f"Column {column} of {table} is {existing}, but features.py declares {wanted}",
            f"Declare a feature of another name, or drop the table in cqlsh (DROP TABLE {table};)"
            " and fill it again: python scripts/feast_materialize.py",
        )


class NothingToMaterialize(PocError):
    """No row of the Parquet falls into the interval."""

    def __init__(self, path: Path, start: datetime, end: datetime, newest: datetime | None) -> None:
        found = "it holds no rows" if newest is None else f"its newest row is of {newest:%Y-%m-%dT%H:%M:%S}"
        super().__init__(
            f"No row of {path} lies between {start:%Y-%m-%dT%H:%M:%S} and {end:%Y-%m-%dT%H:%M:%S} UTC:"
            f" {found}",
            "Name an interval that holds rows: python scripts/feast_materialize.py --start TIME --end TIME",
        )


class OnlineValuesDiffer(PocError):
    """The online store gives other values than the Parquet."""

    def __init__(self, found: Sequence[str]) -> None:
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        super().__init__(
            f"Online values differ from the Parquet's: {'; '.join(found[:5])}{more}",
            "Materialize everything anew: python scripts/feast_materialize.py --full",
        )
