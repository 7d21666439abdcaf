"""Two roles of Cassandra's with the least rights that this project needs: to serve, and to materialize.

Cassandra decides by them only where its `authorizer` is CassandraAuthorizer. Keyspaces are made before, by
whoever may make them: neither role may.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from poc.online_store.session import SCHEMA, Session


@dataclass(frozen=True, slots=True)
class Role:
    """A role by its name, what it is for, and its rights on the project's keyspaces."""

    name: str
    purpose: str
    rights: tuple[str, ...]


# Those that there are on a keyspace.
_RIGHTS = ("SELECT", "MODIFY", "CREATE", "ALTER", "DROP", "AUTHORIZE")
# What a node says of itself: how much room the tables take, for metrics.
_NODES_OWN = "system_views"
READER = Role("feast_reader", "serving, comparing, checking", ("SELECT",))
# Each full run of the row store makes a table and drops one; a feature that is added is a column.
WRITER = Role("feast_writer", "applying, materializing", ("SELECT", "MODIFY", "CREATE", "ALTER", "DROP"))


def set_login(session: Session, name: str, password: str, *, superuser: bool) -> None:
    """Make a role that logs in, or give it this password; cassandra.Unauthorized where the user may not."""
    quoted = password.replace("'", "''")
    rights = f"WITH SUPERUSER = {str(superuser).lower()} AND LOGIN = true AND PASSWORD = '{quoted}'"
    for statement in ("CREATE ROLE IF NOT EXISTS", "ALTER ROLE"):
        session.execute(f"{statement} {name} {rights}", execution_profile=SCHEMA)


def ensure_role(session: Session, role: Role, password: str, keyspaces: Iterable[str]) -> None:
    """Make the role, or give it that password, and its rights on `keyspaces`, which are there, and no others.

    Raises cassandra.Unauthorized: the session's user may not make roles and grant, as a superuser may.
    """
    set_login(session, role.name, password, superuser=False)
    for keyspace in keyspaces:
        # What the role may is never taken away on the way: it may be at work.
        for right in _RIGHTS:
            change, whom = ("GRANT", "TO") if right in role.rights else ("REVOKE", "FROM")
            changed = f'{change} {right} ON KEYSPACE "{keyspace}" {whom} {role.name}'
            session.execute(changed, execution_profile=SCHEMA)
    session.execute(f"GRANT SELECT ON KEYSPACE {_NODES_OWN} TO {role.name}", execution_profile=SCHEMA)
