"""User and password of a Cassandra, from the environment: never from a yaml that is committed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from poc.online_store.errors import CredentialsUnusable

USERNAME_VARIABLE = "CASSANDRA_USERNAME"
PASSWORD_VARIABLE = "CASSANDRA_PASSWORD"
PASSWORD_FILE_VARIABLE = "CASSANDRA_PASSWORD_FILE"


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user, and the password, which is never shown."""

    username: str
    password: str = field(repr=False)


def given_credentials(
    username: str | None, password: str | None, password_file: str | Path | None
) -> Credentials | None:
    """Put together what was given; None where nothing was.

    Args:
        password_file: holds the password and nothing else, as a mounted secret does; a line's end is not
            part of it.

    Raises:
        CredentialsUnusable: only half of it was given, or the password twice, or the file cannot be read.
    """
    if password is not None and password_file is not None:
        raise CredentialsUnusable(f"{PASSWORD_VARIABLE} and {PASSWORD_FILE_VARIABLE} are both set")
    if password_file is not None:
        try:
            password = Path(password_file).read_text().rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "is not text"
            raise CredentialsUnusable(f"{PASSWORD_FILE_VARIABLE}={password_file}: {reason}") from None
    if username is None and password is None:
        return None
    if username is None:
        raise CredentialsUnusable(f"there is a password, but no {USERNAME_VARIABLE}")
    if password is None:
        raise CredentialsUnusable(
            f"{USERNAME_VARIABLE} is set, but neither {PASSWORD_VARIABLE} nor {PASSWORD_FILE_VARIABLE}"
        )
    return Credentials(username, password)


def environment_credentials(environment: Mapping[str, str]) -> Credentials | None:
    """Read them from environment variables; one that is empty is not set.

    Raises:
        CredentialsUnusable: see `given_credentials`.
    """
    names = (USERNAME_VARIABLE, PASSWORD_VARIABLE, PASSWORD_FILE_VARIABLE)
    username, password, file = (environment.get(name) or None for name in names)
    return given_credentials(username, password, file)
