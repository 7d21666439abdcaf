"""Rows of the drill's own: each is numbered, and counts as kept only once Cassandra has acknowledged it."""

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bool, Int64

from poc.comparison.variants import configuration, online_block, open_configuration
from poc.feature_store import close_feature_store, connection_of
from poc.online_store.schema import ensure_keyspace
from poc.online_store.session import SCHEMA, cassandra_session

KEYSPACE = "fault_drill"
VIEW, NUMBER, WRITTEN = "fault_drill_writes", "number", "written"
PAGE = 500


@contextmanager
def scratch(store: FeatureStore) -> "Iterator[Scratch]":
    """Make a feature view for the rows, in a keyspace and a registry of its own, until the block ends.

    It is kept as `store` keeps its own: on that Cassandra, at that consistency, in as many copies.
    """
    connection = replace(connection_of(store), keyspace=KEYSPACE)
    with TemporaryDirectory() as folder, cassandra_session(connection) as session:
        session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", execution_profile=SCHEMA)
        ensure_keyspace(session, connection)
        registry, block = str(Path(folder) / "registry.db"), online_block(store, keyspace=KEYSPACE)
        own = open_configuration(configuration(store, registry=registry, online_store=block))
        try:
            yield Scratch(own, Path(folder) / "never.parquet")
        finally:
            close_feature_store(own)
            session.execute(f"DROP KEYSPACE IF EXISTS {KEYSPACE}", execution_profile=SCHEMA)


class Scratch:
    """A feature view of numbered rows, written and read through Feast.

    `store` holds nothing else; the file `source` need not be there: nothing is materialized.
    """

    def __init__(self, store: FeatureStore, source: Path) -> None:
        self._store = store
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._acknowledged: list[int] = []
        entity = Entity(name=NUMBER, join_keys=[NUMBER], value_type=ValueType.INT64)
        view = FeatureView(
            name=VIEW,
            entities=[entity],
            schema=[Field(name=NUMBER, dtype=Int64), Field(name=WRITTEN, dtype=Bool)],
            source=FileSource(path=str(source), timestamp_field="event_timestamp"),
            ttl=timedelta(0),
        )
        with redirect_stdout(sys.stderr):
            store.apply([entity, view])
        self._view = store.get_feature_view(VIEW)

    @property
    def acknowledged(self) -> tuple[int, ...]:
        """The numbers of the rows that Cassandra has confirmed."""
        return tuple(self._acknowledged)

    def write(self) -> None:
        """Write the next row.

        Raises:
            what the online store raises: it was not acknowledged, and may or may not be there.
        """
        with self._lock:
            number = next(self._numbers)
        key = EntityKey(join_keys=[NUMBER], entity_values=[Value(int64_val=number)])
        row = (key, {WRITTEN: Value(bool_val=True)}, datetime.now(timezone.utc), None)
        provider = self._store._get_provider()
        provider.online_write_batch(self._store.config, self._view, [row], None)
        self._acknowledged.append(number)

    def lost(self) -> tuple[int, ...]:
        """Name the acknowledged rows that cannot be read."""
        wanted = self.acknowledged
        there: set[int] = set()
        for start in range(0, len(wanted), PAGE):
            entity_rows = [{NUMBER: number} for number in wanted[start : start + PAGE]]
            answer = self._store.get_online_features([f"{VIEW}:{WRITTEN}"], entity_rows).to_dict()
            rows = zip(answer[NUMBER], answer[WRITTEN], strict=True)
            there.update(number for number, written in rows if written is not None)
        return tuple(number for number in wanted if number not in there)
