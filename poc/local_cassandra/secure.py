"""What a secure Cassandra wants of its clients, for development: certificates, and a user with a password.

    tls/ca.pem, ca.key            an authority of this machine's own, which both ends trust
    tls/node.pem                  the nodes' key and certificate in one file, as Cassandra reads them
    tls/client.pem, client.key    what a client shows
    credentials                   user and password: in no yaml, no log, no argument of a process, no message

A production cluster has an authority already: name its files in the yaml instead.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from poc.errors import FolderNotUsable
from poc.online_store.connection import PASSWORD_VARIABLE, USERNAME_VARIABLE, Credentials, TlsFiles

# As many nodes as an embedded cluster can have.
ADDRESSES = tuple(f"127.0.0.{i}" for i in range(1, 10))
USERNAME = "feast"
_FILES = ("ca.pem", "ca.key", "node.pem", "client.pem", "client.key")


def client_files(folder: Path) -> TlsFiles:
    """Return the files that a client needs."""
    return TlsFiles(str(folder / "ca.pem"), str(folder / "client.pem"), str(folder / "client.key"))


def ensure_certificates(folder: Path, renew: bool = False) -> bool:
    """Make the certificates in `folder` where one of its files is missing, or `renew`; tell whether.

    Keys are readable by their owner only. All are made anew together: they belong to one authority.
    Raises FolderNotUsable: it cannot be written.
    """
    if not renew and all((folder / name).is_file() for name in _FILES):
        return False
    authority = trustme.CA(organization_name="feast-cassandra-poc development authority", path_length=0)
    node, client = authority.issue_cert("localhost", *ADDRESSES), authority.issue_cert("client")
    ca, [node_chain], [client_chain] = authority.cert_pem, node.cert_chain_pems, client.cert_chain_pems
    contents = (
        ca.bytes(),
        authority.private_key_pem.bytes(),
        _pkcs8(node.private_key_pem) + node_chain.bytes() + ca.bytes(),
        client_chain.bytes(),
        _pkcs8(client.private_key_pem),
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, content in zip(_FILES, contents, strict=True):
            _write_private(folder / name, content)
    except OSError as error:
        raise FolderNotUsable(folder, str(error)) from error
    return True


def read_credentials(file: Path) -> Credentials | None:
    """Read what `make_credentials` wrote; None if that is not there."""
    with suppress(OSError, KeyError):
        pairs = dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
        return Credentials(pairs[USERNAME_VARIABLE], pairs[PASSWORD_VARIABLE])
    return None


def make_credentials(file: Path, username: str = USERNAME) -> Credentials:
    """Return what `file` has, made where it has none: two lines for a shell to source, for its owner only."""
    kept = read_credentials(file)
    if kept is None:
        kept = Credentials(username, secrets.token_urlsafe(24))
        lines = f"{USERNAME_VARIABLE}={kept.username}\n{PASSWORD_VARIABLE}={kept.password}\n"
        _write_private(file, lines.encode())
    return kept


def _pkcs8(key: trustme.Blob) -> bytes:
    """Write a key in the one form that Cassandra reads."""
    loaded = load_pem_private_key(key.bytes(), None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
