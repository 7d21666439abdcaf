"""Whether a batch may be served: its rules, and its drift from what the served model was trained on.

Composes the dataset's checks with the drift, and stands between a new batch and the first write. There
are two places where rows become what is served, and both are held: a new file that is to become the
Parquet, and a source's rows, by whoever they were put there, that are to go into the stores.
"""

import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from poc.command_line import fail, note, ok
from poc.dataset.parquet import has_made_up_times
from poc.dataset.prepare import CheckedDataset, PreparedDataset, check_service, check_source, write_dataset
from poc.dataset.stored import declared_columns, open_source
from poc.definitions import FeatureSet, ServedFeatures, applied_feature_set, applied_service
from poc.errors import DatasetDrifted, PocError
from poc.feature_store import connection_of, open_feature_store
from poc.materialization.attempts import recorded_attempt
from poc.materialization.offline import IntervalRows
from poc.materialization.plan import RunOptions
from poc.materialization.run import run_materialization, tell
from poc.materialization.window import Window
from poc.model.reference import TrainingReference, read_reference, reference_path
from poc.model.tracking import may_hold_a_model
from poc.online_store.failures import cassandra_failures
from poc.online_store.session import cassandra_session
from poc.quality.drift import Drift, describe_drift, describe_missing_reference, drift_table, measure_drift
from poc.settings import Settings

BATCH_ROWS = 50_000
_SCRIPT = "feast_materialize.py"


def count_long_keys(view: FeatureSet, most: int) -> dict[str, int]:
    """Count the rows of a view's source whose join keys of text are longer than `most` characters, by key."""
    from feast.types import String

    found = {}
    for key in view.join_keys:
        column = view.column(key.name)
        text = ds.field(column).cast(pa.string())
        if key.dtype == String:
            found[key.name] = open_source(view, [column]).count_rows(filter=pc.utf8_length(text) > most)
    return {name: count for name, count in found.items() if count}


@dataclass(frozen=True, slots=True)
class ValidatedDataset:
    """Records of one view that hold to every rule, not yet written; no drift without a training reference."""

    checked: CheckedDataset
    drift: Drift | None


def validate_service(
    settings: Settings, served: ServedFeatures, now: datetime, *, refresh: bool = False
) -> tuple[ValidatedDataset, ...]:
    """Check the records that the next preparation would take, and measure their drift. Writes nothing.

    Raises ReferenceUnreadable, and what `check_service` does, which explains the arguments.
    """
    checked = check_service(served, settings.data_dir, now, refresh=refresh)
    reference = read_reference(settings)
    found = []
    for item in checked:
        drift = None
        if reference is not None:
            # Under the declared names, without what nobody declared.
            declared = declared_columns(item.table, item.definitions)
            drift = _drift(served, item.definitions, reference, [declared])
        found.append(ValidatedDataset(item, drift))
    return tuple(found)


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

    Raises DatasetDrifted before anything is written, and what `validate_service` and `write_dataset` raise.
    """
    if accept_drift:
        return tuple(map(write_dataset, check_service(served, settings.data_dir, now, refresh=refresh)))
    validated = validate_service(settings, served, now, refresh=refresh)
    for found in validated:
        if found.checked.changed and found.drift is not None:
            _require_undrifted(found.drift, f"{found.drift.rows:,} new records from {found.checked.origin}")
    return tuple(write_dataset(found.checked) for found in validated)


def gate(
    settings: Settings, served: ServedFeatures, accept_drift: bool, definitions: FeatureSet, window: Window
) -> None:
    """Tell, before the first write into a view, of the window, and its drift or why that is not measured.

    Raises DatasetDrifted where drift is not accepted, DatasetNotPrepared and ColumnsMissing where a source
    does not give what is declared, and what `read_reference` raises.
    """
    note(f"{definitions.view}: {window}" if len(served.feature_sets) > 1 else window)
    if window.is_empty:
        return
    reference = read_reference(settings)
    if reference is None:
        if may_hold_a_model(settings):
            note(f"  {describe_missing_reference(reference_path(settings))}")
        return
    rows = IntervalRows(definitions, window.start, window.end)
    if rows.num_rows == 0:
        return
    drift = _drift(served, definitions, reference, rows.batches(BATCH_ROWS))
    if not accept_drift:
        _require_undrifted(drift, f"{drift.rows:,} rows of {definitions.source_path}")
    note(f"  {drift.rows:,} rows: {describe_drift(drift)}")


def materialize(settings: Settings, options: RunOptions, *, accept_drift: bool = False) -> None:
    """Prepare and validate the sources, fill both stores as `options` say, record and tell how it ended.

    Of a view that the service does not take the source is only checked, and the online store filled.

    Raises what `run_materialization`, `prepare_validated` and `recorded_attempt` raise.
    """
    store = open_feature_store(settings)
    connection = connection_of(store)
    with (
        _asked_of(options.view),
        cassandra_session(connection) as session,
        cassandra_failures(connection),
        recorded_attempt(settings, store, session, note, options.view),
    ):
        served = applied_service(store, settings.feature_service)
        now = datetime.now(timezone.utc)
        if options.view is None or options.view in {item.view for item in served.feature_sets}:
            for data in prepare_validated(settings, served, now, accept_drift=accept_drift):
                tell_prepared(data)
        else:
            check_source(applied_feature_set(store, options.view))
        begin = partial(gate, settings, served, accept_drift)
        reports = run_materialization(settings, store, session, options, begin)
    tell(reports)


@contextmanager
def _asked_of(view: str | None) -> Iterator[None]:
    """Let the ways out of what the block raises lead to the view that was asked for, and no other."""
    try:
        yield
    except PocError as error:
        if view is not None and "--view" not in error.way_out:
            error.way_out = error.way_out.replace(_SCRIPT, f"{_SCRIPT} --view {shlex.quote(view)}")
        raise


def tell_prepared(data: PreparedDataset) -> None:
    """Tell of a source that was prepared, where that changed it."""
    if data.changed:
        ok(f"Data prepared with {data.records:,} records from {data.origin}")
        tell_made_up(data)
    for name in data.added_columns:
        note(f"  {name}: generated values, like those of the other generated columns")


def tell_made_up(data: PreparedDataset) -> None:
    """Tell of times that a person's file does not have."""
    # A folder or pattern is a person's, and has all that is declared.
    if data.path.is_file() and has_made_up_times(data.path):
        note(f"  Its times are made up, moments of the last weeks: {data.origin} has none")


def _require_undrifted(drift: Drift, what: str) -> None:
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
            "drift": None if found.drift is None else asdict(found.drift),
        }
        for found in validated
    ]
    return {"views": views}
