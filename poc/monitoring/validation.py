"""Whether a batch may be served: its rules, and its drift from what the served model was trained on.

Composes the dataset's checks with the drift, and stands between a new batch and the first write. There
are two places where rows become what is served, and both are held: a new file that is to become the
Parquet, and a source's rows, by whoever they were put there, that are to go into the stores.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from poc.command_line import fail, note, ok
from poc.dataset.prepare import CheckedDataset, PreparedDataset, check_service, write_dataset
from poc.dataset.stored import declared_columns
from poc.definitions import FeatureSet, ServedFeatures
from poc.errors import DatasetDrifted
from poc.materialization.offline import LatestRows
from poc.materialization.window import Window
from poc.model.reference import TrainingReference, read_reference, reference_path
from poc.monitoring.drift import (
    Drift,
    describe_drift,
    describe_missing_reference,
    drift_document,
    drift_table,
    measure_drift,
)
from poc.settings import Settings

BATCH_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class ValidatedDataset:
    """Records of one view that hold to every rule, not yet written; no drift without a training reference."""

    checked: CheckedDataset
    drift: Drift | None


def validate_service(
    settings: Settings, served: ServedFeatures, now: datetime, *, refresh: bool = False
) -> tuple[ValidatedDataset, ...]:
    """Check the records that the next preparation would take, and measure their drift. Writes nothing.

    Raises:
        ReferenceUnreadable: the training reference cannot be read.
        PocError: whatever else `poc.dataset.prepare.check_service` raises, which explains the arguments.
    """
    checked = check_service(served, settings.data_dir, now, refresh=refresh)
    reference = read_reference(settings)
    if reference is None:
        return tuple(ValidatedDataset(item, None) for item in checked)
    # Under the declared names, without what nobody declared.
    rows = [declared_columns(item.table, item.definitions) for item in checked]
    return tuple(
        ValidatedDataset(item, _drift(served, item.definitions, reference, [table]))
        for item, table in zip(checked, rows, strict=True)
    )


def prepare_validated(
    settings: Settings,
    served: ServedFeatures,
    now: datetime,
    *,
    refresh: bool = False,
    accept_drift: bool = False,
) -> tuple[PreparedDataset, ...]:
    """Prepare the sources of every view, unless that would put drifted records there.

    Records that are there already are not measured now, but when they are to be materialized.

    Raises:
        DatasetDrifted: new records are beyond a limit. Nothing was written.
        PocError: whatever else `validate_service` and `write_dataset` raise.
    """
    if accept_drift:
        return tuple(map(write_dataset, check_service(served, settings.data_dir, now, refresh=refresh)))
    validated = validate_service(settings, served, now, refresh=refresh)
    for found in validated:
        if found.checked.changed and found.drift is not None:
            require_undrifted(found.drift, f"{found.drift.rows:,} new records from {found.checked.origin}")
    return tuple(write_dataset(found.checked) for found in validated)


def window_drift(
    served: ServedFeatures, definitions: FeatureSet, reference: TrainingReference, window: Window
) -> Drift | None:
    """Measure the drift of the rows that a materialization of `window` writes; None where there are none.

    Raises:
        DatasetNotPrepared, ColumnsMissing: the source does not give what is declared.
    """
    rows = LatestRows(definitions, window.start, window.end)
    return _drift(served, definitions, reference, rows.batches(BATCH_ROWS)) if rows.num_rows else None


def gate(
    settings: Settings,
    served: ServedFeatures,
    announce: Callable[[object], None],
    *,
    accept_drift: bool = False,
) -> Callable[[FeatureSet, Window], None]:
    """Make what `run_materialization` calls before its first write into a view: announces the window, and its
    drift or that there is nothing to measure it against.

    It raises what `read_reference` and `window_drift` raise, and DatasetDrifted where that is not accepted.
    """

    def begin(definitions: FeatureSet, window: Window) -> None:
        announce(f"{definitions.view}: {window}" if len(served.feature_sets) > 1 else window)
        if window.is_empty:
            return
        reference = read_reference(settings)
        if reference is None:
            announce(f"  {describe_missing_reference(reference_path(settings))}")
            return
        drift = window_drift(served, definitions, reference, window)
        if drift is None:
            return
        if not accept_drift:
            require_undrifted(drift, f"{drift.rows:,} rows of {definitions.source_path}")
        announce(f"  {drift.rows:,} rows: {describe_drift(drift)}")

    return begin


def require_undrifted(drift: Drift, what: str) -> None:
    """Refuse `what` by DatasetDrifted where a feature is beyond its limit."""
    if drift.drifted:
        raise DatasetDrifted(what, drift.model, [str(feature) for feature in drift.drifted])


def _drift(
    served: ServedFeatures,
    definitions: FeatureSet,
    reference: TrainingReference,
    batches: Iterable[pa.RecordBatch | pa.Table],
) -> Drift:
    """Measure one view: of another's features the reference may know some by the same names."""
    taken = {name for view in served.views if view.definitions == definitions for name in view.names}
    return measure_drift(definitions.features, reference, batches, set(definitions.names) - taken)


def tell_validated(found: ValidatedDataset) -> bool:
    """Tell how the records of one view are; return whether they drifted."""
    checked, drift, view = found.checked, found.drift, found.checked.definitions.view
    ok(f"{checked.table.num_rows:,} records from {checked.origin} hold to every rule of {view}")
    if checked.changed:
        note(f"  {checked.path} does not hold them yet: the next materialization writes it")
    if drift is None:
        return False
    print(drift_table(drift))
    (fail if drift.drifted else ok)(describe_drift(drift))
    return bool(drift.drifted)


def validation_document(validated: Sequence[ValidatedDataset]) -> dict[str, Any]:
    """Return the figures of every view for JSON."""
    views = [
        {
            "feature_view": found.checked.definitions.view,
            "records": found.checked.table.num_rows,
            "drift": drift_document(found.drift),
        }
        for found in validated
    ]
    return {"views": views}
