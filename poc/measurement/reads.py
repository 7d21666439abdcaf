"""How the ways that are compared read: a further one is one more function that returns a `Read`."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from feast import FeatureStore

from poc.definitions import ServedFeatures, applied_view
from poc.errors import BenchmarkFailed
from poc.measurement.core import Key, Read, Row
from poc.online_store.acsylla_reads import AcsyllaReads
from poc.online_store.keyed_reads import in_order
from poc.online_store.keys import bound_key
from poc.online_store.layout import RowLayout, direct_layout
from poc.online_store.session import READ, Session, prepare
from poc.retrieval.entities import key_of_view
from poc.retrieval.source import FeatureSource

READS_IN_FLIGHT = 100


@dataclass(frozen=True, slots=True)
class DirectView:
    """What is read without Feast of one view: the direct table, and the features that the service takes.

    `key` returns the table's key for a key of the service.
    """

    layout: RowLayout
    names: tuple[str, ...]
    key: Callable[[Key], Key]

    @property
    def select(self) -> str:
        """The statement that reads those features of one key."""
        return self.layout.select(self.layout.named(self.names))

    def rows(self, answers: Iterable[Sequence[Any]]) -> list[Row | None]:
        """Return the values of each answer's first row by name."""
        # The event time comes after the features and is not one of them.
        return [dict(zip(self.names, found[0], strict=False)) if found else None for found in answers]


def direct_views(store: FeatureStore, keyspace: str, served: ServedFeatures) -> list[DirectView]:
    """Return the direct tables of a service, in the service's order."""
    found = []
    for view in served.views:
        layout = direct_layout(keyspace, store.project, applied_view(store, view.definitions.view))
        key = key_of_view(served, view, [column.field for column in layout.keys])
        found.append(DirectView(layout, view.names, _stored_key(layout, key)))
    return found


def _stored_key(layout: RowLayout, key: Callable[[Key], Key]) -> Callable[[Key], Key]:
    bound = bound_key(layout.keys)

    def stored(asked: Key) -> Key:
        found = bound(key(asked))
        # Those that are asked for were stored.
        assert found is not None
        return found

    return stored


def direct_cassandra(session: Session, views: Sequence[DirectView]) -> Read:
    """Read the direct tables as poc/serve_model.py does: one prepared statement an id, rows as tuples."""
    selects = [prepare(session, view.select) for view in views]

    def read(keys: Sequence[Key]) -> list[Row | None]:
        asked = [(select, view.key(key)) for select, view in zip(selects, views, strict=True) for key in keys]
        answers = _answers(session, asked)
        return _joined([view.rows(islice(answers, len(keys))) for view in views])

    return read


def direct_cassandra_in(session: Session, views: Sequence[DirectView], keys_per_statement: int) -> Read:
    """Read the direct tables with as many keys a statement as the row store: equal footing for batches.

    A table whose keys the row store asks for one by one is read so here, too.
    """
    several = [view.layout.select_several(view.layout.named(view.names)) for view in views]
    readers = [
        direct_cassandra(session, [view])
        if select is None
        else _read_together(session, prepare(session, select), view, keys_per_statement)
        for select, view in zip(several, views, strict=True)
    ]
    return lambda keys: _joined([read(keys) for read in readers])


def _read_together(session: Session, select: Any, view: DirectView, size: int) -> Read:
    def read(keys: Sequence[Key]) -> list[Row | None]:
        ids = [part for (part,) in map(view.key, keys)]
        asked = [(select, (ids[at : at + size],)) for at in range(0, len(ids), size)]
        found = {
            row[-1]: dict(zip(view.names, row, strict=False))
            for rows in _answers(session, asked)
            for row in rows
        }
        return [found.get(item) for item in ids]

    return read


def direct_acsylla(reads: AcsyllaReads, loop: asyncio.AbstractEventLoop, views: Sequence[DirectView]) -> Read:
    """Read the direct tables with the C++ driver, awaited on `loop`."""
    selects = [view.select for view in views]

    async def rows_of(select: str, view: DirectView, keys: Sequence[Key]) -> list[Row | None]:
        found = await reads.rows(select, [view.key(key) for key in keys])
        if found is None:
            raise BenchmarkFailed("direct-acsylla", "acsylla cannot connect, or cannot read the direct table")
        return view.rows(found)

    async def read(keys: Sequence[Key]) -> list[Row | None]:
        parts = zip(selects, views, strict=True)
        return _joined(await asyncio.gather(*(rows_of(select, view, keys) for select, view in parts)))

    return _awaited(read, loop)


def public_call(store: FeatureStore, served: ServedFeatures) -> Read:
    """Read through Feast's public call, as the guide does, with the feature service looked up once.

    Feast connects at the first read. FeatureServiceNotFoundException: the registry does not know the service.
    """
    service, names = store.get_feature_service(served.service), served.key_names

    def read(keys: Sequence[Key]) -> list[Row | None]:
        entity_rows = [dict(zip(names, key, strict=True)) for key in keys]
        return _rows(store.get_online_features(features=service, entity_rows=entity_rows).to_dict(), names)

    return read


def awaited_call(store: FeatureStore, loop: asyncio.AbstractEventLoop, served: ServedFeatures) -> Read:
    """Read through Feast's public call as an async handler awaits it."""
    service, names = store.get_feature_service(served.service), served.key_names

    async def read(keys: Sequence[Key]) -> list[Row | None]:
        entity_rows = [dict(zip(names, key, strict=True)) for key in keys]
        answer = await store.get_online_features_async(features=service, entity_rows=entity_rows)
        return _rows(answer.to_dict(), names)

    return _awaited(read, loop)


def through_source(source: FeatureSource, loop: asyncio.AbstractEventLoop) -> Read:
    """Read through `source`, as a server does."""

    async def read(keys: Sequence[Key]) -> list[Row | None]:
        return [None if found is None else dict(found.values) for found in await source.read(keys)]

    return _awaited(read, loop)


def _awaited(
    read: Callable[[Sequence[Key]], Coroutine[Any, Any, Sequence[Row | None]]],
    loop: asyncio.AbstractEventLoop,
) -> Read:
    """Read on `loop`, in the caller's own thread: nothing comes on top of what an async handler waits for."""
    return lambda keys: loop.run_until_complete(read(keys))


def _rows(answer: Mapping[str, list[Any]], key_names: Sequence[str]) -> list[Row | None]:
    # Feast says of an unknown id only that every value is None. Turning its columns into rows costs some
    # microseconds, and a model needs rows.
    names = [name for name in answer if name not in key_names]
    return [
        dict(zip(names, row, strict=True)) if any(value is not None for value in row) else None
        for row in zip(*(answer[name] for name in names), strict=True)
    ]


def _answers(session: Session, asked: Sequence[tuple[Any, Key]]) -> Iterator[list[Any]]:
    sent = (session.execute_async(select, bound, execution_profile=READ) for select, bound in asked)
    return in_order(sent, READS_IN_FLIGHT)


def _joined(columns: Sequence[Sequence[Row | None]]) -> list[Row | None]:
    """Join the rows of several views, entity by entity; one that no view knows is unknown."""
    if len(columns) == 1:
        return list(columns[0])
    return [
        {name: value for row in rows if row is not None for name, value in row.items()} or None
        for rows in zip(*columns, strict=True)
    ]
