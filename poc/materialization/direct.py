"""The direct table of a view: what the online store holds, once more, to be read without Feast."""

from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from poc.dataset.columns import TIME
from poc.dataset.conversion import convert_times
from poc.definitions import applied_view
from poc.errors import DirectTableDiffers
from poc.feature_store import connection_of
from poc.online_store.arrow_engine import ArrowMaterializationEngineConfig, open_rows
from poc.online_store.errors import KeyChanged, TypeChanged
from poc.online_store.layout import RowLayout, direct_layout
from poc.online_store.naming import EVENT_TIMESTAMP, quoted
from poc.online_store.schema import apply_layout, changes, drop_table, stored_table
from poc.online_store.session import READ, WRITE, Session, idempotent, prepare
from poc.online_store.sinks import RowSink

if TYPE_CHECKING:
    from feast import FeatureStore

_SCANNED_AT_A_TIME = 5000


class DirectTable:
    """The direct table of a view that is applied; UnsupportedType where a field has no column type."""

    def __init__(self, store: "FeatureStore", keyspace: str, view: str) -> None:
        self._store, self._view = store, applied_view(store, view)
        self.layout: RowLayout = direct_layout(keyspace, store.project, self._view)

    def require_usable(self, session: Session) -> None:
        """Let a table pass that is not there yet, or can be brought to the definitions by adding columns.

        Raises DirectTableDiffers: it was made for other types or keys.
        """
        try:
            changes(stored_table(session, self.layout), self.layout)
        except (TypeChanged, KeyChanged) as error:
            raise DirectTableDiffers(error.what) from error

    def drop(self, session: Session) -> None:
        """Drop it with all its rows, if it is there."""
        drop_table(session, self.layout.keyspace, self.layout.table)

    def fill(
        self,
        session: Session,
        start: datetime,
        end: datetime,
        written_us: int,
        latest_until: datetime | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> int:
        """Write the latest row of each entity, if it lies in [start, end), UTC; return how many there were.

        Makes the table, or adds the columns it lacks. The rows are those that the engine materializes. All
        are written at `written_us`, and replace whatever was written before. An entity's latest row is looked
        for up to `latest_until`, or `end`.

        Raises DirectTableDiffers, MissingColumns, NotAcknowledged.
        """
        store, view = self._store, self._view
        self.require_usable(session)
        apply_layout(session, self.layout)
        entities = [store.registry.get_entity(name, store.project) for name in view.entities]
        last = end if latest_until is None else max(end, latest_until)
        rows = open_rows(store.config, store._get_provider().offline_store, view, entities, start, last)
        settings, connection = ArrowMaterializationEngineConfig(), connection_of(store)
        sink = RowSink(self.layout, view, connection, session, settings, written_us=written_us)
        written = 0
        with closing(sink):
            for batch in rows.batches(settings.batch_rows):
                part = batch
                if last != end:
                    times = convert_times(batch.column(view.batch_source.timestamp_field))
                    part = batch.filter(pc.less(times, pa.scalar(end, TIME)))
                sink.write(part)
                written += part.num_rows
                if progress is not None:
                    progress(part.num_rows)
        return written

    def remove_older(self, session: Session, written_us: int) -> int:
        """Remove the rows that were written before `written_us`, and return how many there were."""
        names, table = [quoted(column.name) for column in self.layout.keys], self.layout.qualified
        select = idempotent(f"SELECT {', '.join(names)}, WRITETIME({quoted(EVENT_TIMESTAMP)}) FROM {table}")
        select.fetch_size = _SCANNED_AT_A_TIME
        condition = " AND ".join(f"{name} = ?" for name in names)
        delete = prepare(session, f"DELETE FROM {table} USING TIMESTAMP {written_us - 1} WHERE {condition}")
        removed = 0
        for *key, written in session.execute(select, execution_profile=READ):
            if written is None or written < written_us:
                session.execute(delete, key, execution_profile=WRITE)
                removed += 1
        return removed
