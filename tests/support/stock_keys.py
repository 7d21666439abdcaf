"""Entity keys as Feast's own Cassandra store has them."""

from typing import Any

from feast.infra.key_encoding_utils import serialize_entity_key
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value


def stock_key(**keys: Any) -> str:
    """Return the hexadecimal text of join keys, each a str or an int that is declared as Int64."""
    values = [
        Value(int64_val=part) if isinstance(part, int) else Value(string_val=part) for part in keys.values()
    ]
    key = EntityKey(join_keys=list(keys), entity_values=values)
    return serialize_entity_key(key, entity_key_serialization_version=2).hex()
