"""Whether a batch may be served: its rules, and its drift from what the served model was trained on.

Composes the dataset's checks with the drift, and stands between a new batch and the first write. There
are two places where rows become what is served, and both are held: a new file that is to become the
Parquet, and the Parquet's rows, by whoever they were put there, that are to go into the stores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from poc.dataset.prepare import CheckedDataset, PreparedDataset, check_dataset, write_dataset
from poc.definitions import FeatureSet
from poc.errors import DatasetDrifted
from poc.materialization.offline import latest_source
from poc.materialization.window import Window
from poc.model.reference import TrainingReference, read_reference, reference_path
from poc.monitoring.drift import Drift, measure_drift
from poc.monitoring.drift_report import describe_drift, describe_missing_reference
from poc.settings import Settings

BATCH_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class ValidatedDataset:
    """Records that hold to every rule, and how far they drifted.

    Attributes:
        checked: the records, not yet written.
        drift: theirs; None where there is no training reference.
    """

    checked: CheckedDataset
    drift: Drift | None


def validate_dataset(
    settings: Settings, definitions: FeatureSet, now: datetime, *, refresh: bool = False
) -> ValidatedDataset:
    """Check the records that the next preparation would take, and measure their drift. Writes nothing.

    Args: as `poc.dataset.prepare.prepare_dataset`.

    Raises:
        ReferenceUnreadable: the training reference cannot be read.
        PocError: whatever else `check_dataset` raises.
    """
    checked = check_dataset(definitions, settings.data_dir, now, refresh=refresh)
    reference = read_reference(settings)
    if reference is None:
        return ValidatedDataset(checked, None)
    return ValidatedDataset(checked, measure_drift(definitions, reference, [checked.table]))


def prepare_validated(
    settings: Settings,
    definitions: FeatureSet,
    now: datetime,
    *,
    refresh: bool = False,
    accept_drift: bool = False,
) -> PreparedDataset:
    """Prepare the Parquet as `prepare_dataset` does, unless that would put drifted records there.

    Records that are there already are not measured now, but when they are to be materialized.

    Args: as there, and
        accept_drift: the change is meant.

    Raises:
        DatasetDrifted: the new records are beyond a limit. Nothing was written.
        PocError: whatever else `validate_dataset` and `write_dataset` raise.
    """
    if accept_drift:
        return write_dataset(check_dataset(definitions, settings.data_dir, now, refresh=refresh))
    found = validate_dataset(settings, definitions, now, refresh=refresh)
    if found.checked.changed and found.drift is not None:
        require_undrifted(found.drift, f"{found.drift.rows:,} new records from {found.checked.origin}")
    return write_dataset(found.checked)


def window_drift(definitions: FeatureSet, reference: TrainingReference, window: Window) -> Drift | None:
    """Measure the drift of the rows that a materialization of `window` writes; None where there are none.

    Raises:
        DatasetNotPrepared, ColumnsMissing: the Parquet does not give what is declared.
    """
    rows = latest_source(definitions, window.start, window.end)
    return measure_drift(definitions, reference, rows.batches(BATCH_ROWS)) if rows.num_rows else None


def gate(
    settings: Settings,
    definitions: FeatureSet,
    announce: Callable[[object], None],
    *,
    accept_drift: bool = False,
) -> Callable[[Window], None]:
    """Make what `run_materialization` calls before its first write: announces the window, and its drift
    or that there is nothing to measure it against.

    Args:
        settings: where the training reference is.
        definitions: the features that are to be materialized.
        announce: is told.
        accept_drift: the change is meant.

    Returns:
        A function that raises what `read_reference` and `window_drift` raise, and DatasetDrifted where the
        drift is not accepted.
    """

    def begin(window: Window) -> None:
        announce(window)
        if window.is_empty:
            return
        reference = read_reference(settings)
        if reference is None:
            announce(f"  {describe_missing_reference(reference_path(settings))}")
            return
        drift = window_drift(definitions, reference, window)
        if drift is None:
            return
        if not accept_drift:
            require_undrifted(drift, f"{drift.rows:,} rows of {definitions.source_path}")
        announce(f"  {drift.rows:,} rows: {describe_drift(drift)}")

    return begin


def require_undrifted(drift: Drift, what: str) -> None:
    """Refuse `what` if it drifted.

    Raises:
        DatasetDrifted: a feature is beyond its limit.
    """
    if drift.drifted:
        raise DatasetDrifted(what, drift.model, [str(feature) for feature in drift.drifted])
