"""What a full run cannot replace in the stock layout, whose table has one name and one set of values.

Values are written at their event time. A stored value of a later time stays, and of two values of one time
Cassandra keeps neither as a whole; an entity that the source has no more is never written again.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from poc.dataset.values import same_event_time, same_value
from poc.definitions import FeatureSet, applied_view
from poc.materialization.offline import LatestRows
from poc.materialization.stored_rows import BATCH, NEVER_WRITTEN, Read, beside_stored, by_reader
from poc.online_store import stock_layout
from poc.online_store.counting import count_partitions, estimate_partitions
from poc.online_store.errors import WrittenByAnotherEngine
from poc.online_store.naming import quoted, stock_table_name
from poc.online_store.session import SCHEMA, Session
from poc.online_store.stock_store import StockCassandraOnlineStore

if TYPE_CHECKING:
    from feast import FeatureStore

STOCK = "cassandra"


class StockTable:
    """The table of a view in Feast's own Cassandra layout."""

    def __init__(self, store: "FeatureStore", session: Session, definitions: FeatureSet) -> None:
        self._store, self._session, self._definitions = store, session, definitions
        self._keyspace = store.config.online_store.keyspace
        self._name = stock_table_name(store.project, definitions.view)

    def __str__(self) -> str:
        return f"{self._keyspace}.{self._name}"

    def in_the_way(self, start: datetime, end: datetime) -> list[str]:
        """Say what of the stored values the source's rows in [start, end), UTC, cannot replace."""
        if not estimate_partitions(self._session, self._keyspace, self._name):
            return []
        found = self._by_clock()
        source = LatestRows(self._definitions, start, end)
        later = differing = matched = 0
        # Which features rows lack, and how many lack these.
        lacking: Counter[frozenset[int]] = Counter()
        with self._read() as read:
            for row in beside_stored(source.batches(BATCH), read, self._definitions):
                held = row.stored
                if held is None:
                    continue
                matched += 1
                if held.event_time is None or held.event_time > row.event_time:
                    later += 1
                elif same_event_time(held.event_time, row.event_time):
                    pairs = enumerate(zip(held.values, row.values, strict=True))
                    others = {place for place, (stored, value) in pairs if not same_value(stored, value)}
                    lacked = frozenset(place for place in others if held.values[place] is NEVER_WRITTEN)
                    lacking[lacked] += 1
                    differing += others != lacked
        stored = count_partitions(self._session, self._keyspace, self._name) or 0
        said = (
            (later, "of a later event time"),
            (differing, "corrected at the same event time"),
            (_lost(lacking, len(self._definitions.names)), "with a value that was deleted"),
            (stored - matched, "of entities that the source does not have"),
        )
        return [*found, *(f"{count:,} {what}" for count, what in said if count > 0)]

    def empty(self) -> None:
        """Remove every value."""
        table = f"{quoted(self._keyspace)}.{quoted(self._name)}"
        self._session.execute(f"TRUNCATE {table}", execution_profile=SCHEMA)

    def _by_clock(self) -> list[str]:
        table = f"{quoted(self._keyspace)}.{quoted(self._name)}"
        cells = self._session.execute(stock_layout.CELL_TIMES.format(table=table)).all()
        try:
            found = [tuple(cell) for cell in cells]
            stock_layout.refuse_wall_clock_cells(self._definitions.view, table, found)
        except WrittenByAnotherEngine:
            return ["values written at wall-clock time, by Feast's own engine or by a push"]
        return []

    @contextmanager
    def _read(self) -> Iterator[Read]:
        view = applied_view(self._store, self._definitions.view)
        own = StockCassandraOnlineStore()
        try:
            yield by_reader(own.reader(self._store.config, view, self._definitions.names), self._definitions)
        finally:
            own.close()


def _lost(lacking: Counter[frozenset[int]], features: int) -> int:
    """Count the rows that lack a feature that others have: no write at its event time undoes a deletion.

    What all rows lack is a feature that was added since, which is no obstacle.
    """
    added = {place for place in range(features) if all(place in lacked for lacked in lacking)}
    return sum(count for lacked, count in lacking.items() if lacked - added)
