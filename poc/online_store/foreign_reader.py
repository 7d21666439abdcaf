"""Features of any other online store of Feast's, read through its provider as Feast reads them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from feast import FeatureView, RepoConfig
from feast.infra.provider import Provider
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from poc.online_store.stock_reader import python_value
from poc.online_store.types import key_type
from poc.online_store.view_reader import Found, JoinKeys


class ForeignReader:
    """A `ViewReader` of SQLite, Redis, or whatever store the yaml names. It blocks."""

    def __init__(
        self, provider: Provider, config: RepoConfig, view: FeatureView, features: Sequence[str]
    ) -> None:
        self._provider, self._config, self._view = provider, config, view
        columns = sorted(view.entity_columns, key=lambda column: column.name)
        self._attributes = [key_type(column.name, column.dtype).attribute for column in columns]
        self.names = tuple(features)
        self.key_names = tuple(column.name for column in columns)
        self.plain: tuple[Callable[[Any], Any] | None, ...] = (python_value,) * len(self.names)
        self.proto: tuple[Callable[[Any], Value], ...] = (_same,) * len(self.names)
        self.stored = (False,) * len(self.names)

    def read(self, keys: Sequence[JoinKeys]) -> Mapping[JoinKeys, Found]:
        """See `ViewReader.read`."""
        asked = [self._entity_key(key) for key in keys]
        rows = self._provider.online_read(self._config, self._view, asked, list(self.names))
        return {
            key: (*(values.get(name) for name in self.names), moment)
            for key, (moment, values) in zip(keys, rows, strict=True)
            if values is not None
        }

    async def read_async(self, keys: Sequence[JoinKeys]) -> Mapping[JoinKeys, Found]:
        """Raise: what the store can await, Feast asks of it itself."""
        raise NotImplementedError

    def _entity_key(self, key: JoinKeys) -> EntityKey:
        values = [Value(**{attribute: part}) for attribute, part in zip(self._attributes, key, strict=True)]
        return EntityKey(join_keys=self.key_names, entity_values=values)


def _same(value: Value) -> Value:
    return value
