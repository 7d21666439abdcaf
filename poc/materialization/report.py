"""What a materialization did, told a line at a time: what is true on standard output, figures beside it."""

from collections.abc import Sequence

from poc.command_line import note, ok
from poc.dataset.parquet import has_made_up_times
from poc.dataset.prepare import PreparedDataset
from poc.materialization.run import ViewReport


def tell_made_up(data: PreparedDataset) -> None:
    """Tell of times that a person's file does not have."""
    # A folder or pattern is a person's, and has all that is declared.
    if data.path.is_file() and has_made_up_times(data.path):
        note(f"  Its times are made up, moments of the last weeks: {data.origin} has none")


def tell_prepared(data: PreparedDataset) -> None:
    """Tell of a source that was prepared, where that changed it."""
    if data.changed:
        ok(f"Data prepared with {data.records:,} records from {data.origin}")
        tell_made_up(data)
    for name in data.added_columns:
        note(f"  {name}: generated values, like those of the other generated columns")


def tell(reports: Sequence[ViewReport]) -> None:
    """Tell of the views that were materialized."""
    ok(f"Materialization complete ({sum(item.feast_seconds for item in reports):.1f}s)")
    several = len(reports) > 1
    for item in reports:
        named = several or item.direct_seconds is None
        of_view, what = (f"{item.view}: ", "entities") if named else ("", "transactions")
        seconds = item.direct_seconds
        beside = "no direct table" if seconds is None else f"the direct table took {seconds:.1f}s"
        note(f"  {of_view}{item.entities:,} {what}; {beside}")
        if item.waiting:
            rows = "1 row lies" if item.waiting == 1 else f"{item.waiting:,} rows lie"
            note(f"  {of_view}{rows} in the future and wait{'s' if item.waiting == 1 else ''}")
    if any(item.sampled for item in reports):
        ok("Sample feature retrieval successful")
    for item in reports:
        if item.sampled:
            note(f"  {', '.join(item.sampled)}: online values equal the Parquet's")
    ok("Feature Materialization Complete!")
