"""The user of a secure embedded cluster: made at its first start, with a password that only a file knows.

Cassandra comes with a superuser whose password is its name. That one is shut; ours takes its place. Its
password is in no yaml, no log, no argument of a process and no message.
"""

import secrets
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from poc.database.certificates import write_private
from poc.database.embedded.ring import POLL_SECONDS, ring_is_whole, ring_session
from poc.errors import CassandraUnavailable, CredentialsLost, OnlineTableMissing
from poc.online_store.connection import PASSWORD_VARIABLE, USERNAME_VARIABLE, ConnectionSettings, Credentials
from poc.online_store.session import READ, SCHEMA, Session, idempotent, local_data_centre

USERNAME = "feast"
DEFAULT_USER = "cassandra"
# A login asks for as many copies of the user as a read does: with one, a lost node would shut everybody out.
MOST_COPIES = 3
PASSING = (CassandraUnavailable, OnlineTableMissing)


def read_credentials(file: Path) -> Credentials | None:
    """Read what `make_credentials` wrote; None if that is not there."""
    with suppress(OSError):
        pairs = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        if USERNAME_VARIABLE in pairs and PASSWORD_VARIABLE in pairs:
            return Credentials(pairs[USERNAME_VARIABLE], pairs[PASSWORD_VARIABLE])
    return None


def make_credentials(file: Path) -> Credentials:
    """Read the credentials of `file`, or make it: two lines that a shell can source, for its owner only."""
    known = read_credentials(file)
    if known is not None:
        return known
    made = Credentials(USERNAME, secrets.token_urlsafe(24))
    lines = f"{USERNAME_VARIABLE}={made.username}\n{PASSWORD_VARIABLE}={made.password}\n"
    write_private(file, lines.encode())
    return made


def ensure_login(endpoint: ConnectionSettings, file: Path, deadline: float) -> None:
    """Make the user that `endpoint` logs in with, where it cannot yet, and shut the one Cassandra came with.

    `deadline` is of `time.monotonic`; `file` has the credentials, for the message.

    Raises:
        CredentialsLost: neither our user nor Cassandra's own is let in.
    """
    default = replace(endpoint, username=DEFAULT_USER, password=DEFAULT_USER)
    while True:
        # Cassandra makes its own user some moments after it answers.
        with suppress(*PASSING), ring_session(endpoint) as session:
            _shut_default_user(session)
            return
        with suppress(*PASSING), ring_session(default) as session:
            _make_user(session, endpoint)
        if time.monotonic() >= deadline:
            raise CredentialsLost(file)
        time.sleep(POLL_SECONDS)


def _make_user(session: Session, endpoint: ConnectionSettings) -> None:
    if len(endpoint.hosts) > 1 and not ring_is_whole(session, endpoint):
        return
    copies = min(len(endpoint.hosts), MOST_COPIES)
    session.execute(
        "ALTER KEYSPACE system_auth WITH replication ="
        f" {{'class': 'NetworkTopologyStrategy', '{local_data_centre(session)}': {copies}}}",
        execution_profile=SCHEMA,
    )
    # A read from all brings what is there to the new copies, as a repair would.
    session.execute(idempotent("SELECT * FROM system_auth.roles"), execution_profile=READ).all()
    rights = f"WITH SUPERUSER = true AND LOGIN = true AND PASSWORD = '{endpoint.password}'"
    for statement in ("CREATE ROLE IF NOT EXISTS", "ALTER ROLE"):
        session.execute(f"{statement} {endpoint.username} {rights}", execution_profile=SCHEMA)


def _shut_default_user(session: Session) -> None:
    row = session.execute(f"SELECT can_login FROM system_auth.roles WHERE role = '{DEFAULT_USER}'").one()
    if row is not None and row.can_login:
        session.execute(
            f"ALTER ROLE {DEFAULT_USER} WITH SUPERUSER = false AND LOGIN = false"
            f" AND PASSWORD = '{secrets.token_urlsafe(24)}'",
            execution_profile=SCHEMA,
        )
