"""Keyspaces: made with the replication that is asked for, and never altered."""

from cassandra.cluster import Session

from poc.database.endpoint import stated_online_store
from poc.database.sessions import SCHEMA_TIMEOUT_SECONDS, idempotent
from poc.errors import KeyspaceReplicationDiffers
from poc.settings import Settings

FEAST_DEFAULT_KEYSPACE = "feast_keyspace"


def replication_map(factor: int, datacenter: str) -> dict[str, str]:
    """Name a replication of `factor` copies in `datacenter`."""
    return {"class": "NetworkTopologyStrategy", datacenter: str(factor)}


def ensure_keyspace(session: Session, keyspace: str, replication: dict[str, str]) -> bool:
    """Make `keyspace` where it is not there; return whether it was made.

    Raises:
        KeyspaceReplicationDiffers: it is there with another number of copies. Changing that moves data
            between nodes and wants a repair, so it stays a person's decision.
    """
    found = session.execute(
        idempotent("SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = %s"), (keyspace,)
    ).one()
    if found is None:
        options = ", ".join(f"'{key}': '{value}'" for key, value in replication.items())
        session.execute(
            f'CREATE KEYSPACE IF NOT EXISTS "{keyspace}" WITH replication = {{{options}}}',
            timeout=SCHEMA_TIMEOUT_SECONDS,
        )
        return True
    existing = dict(found.replication)
    if _copies(existing) != _copies(replication):
        raise KeyspaceReplicationDiffers(keyspace, existing, replication)
    return False


def _copies(replication: dict[str, str]) -> list[str]:
    return sorted(value for key, value in replication.items() if key != "class")


def ensure_configured_keyspaces(settings: Settings, session: Session) -> list[str]:
    """Make the online store's keyspace and the direct table's; return the names of those made.

    Both get the yaml's `replication_factor` (1 where it says none) in the data centre of `session`.

    Raises:
        KeyspaceReplicationDiffers: one is there with another number of copies.
    """
    online_store = stated_online_store(settings)
    datacenter = session.execute(idempotent("SELECT data_center FROM system.local")).one().data_center
    replication = replication_map(int(online_store.get("replication_factor", 1)), datacenter)
    keyspaces = (online_store_keyspace(settings), settings.direct_keyspace)
    return [name for name in keyspaces if ensure_keyspace(session, name, replication)]


def online_store_keyspace(settings: Settings) -> str:
    """Name the keyspace of the online store: the yaml's, else Feast's default."""
    return str(stated_online_store(settings).get("keyspace", FEAST_DEFAULT_KEYSPACE))
