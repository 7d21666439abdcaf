"""What a secure Cassandra wants of its clients, for development: certificates, and a user with a password.

    tls/ca.pem, ca.key            an authority of this machine's own, which both ends trust
    tls/node.pem                  the nodes' key and certificate in one file, as Cassandra reads them
    tls/client.pem, client.key    what a client shows
    credentials                   user and password: in no yaml, no log, no argument of a process, no message

A production cluster has an authority already: name its files in the yaml instead.
"""

import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from poc.errors import FolderNotUsable
from poc.online_store.connection import PASSWORD_VARIABLE, USERNAME_VARIABLE, Credentials, TlsFiles

# As many nodes as an embedded cluster can have.
ADDRESSES = tuple(f"127.0.0.{i}" for i in range(1, 10))
VALID_DAYS = 3650
USERNAME = "feast"
_FILES = ("ca.pem", "ca.key", "node.pem", "client.pem", "client.key")

Issued = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


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
    authority = _issue("feast-cassandra-poc development authority", (), None)
    addresses = [x509.IPAddress(ip_address(address)) for address in ADDRESSES]
    ca_key, ca = _pem(authority)
    node_key, node = _pem(_issue("node", [x509.DNSName("localhost"), *addresses], authority))
    client_key, client = _pem(_issue("client", [x509.DNSName("client")], authority))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        for name, content in zip(_FILES, (ca, ca_key, node_key + node + ca, client, client_key), strict=True):
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


def _issue(name: str, alternatives: Sequence[x509.GeneralName], by: Issued | None) -> Issued:
    """Make a key and its certificate; that of an authority, which signs itself, where `by` is None."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, issuer = (key, subject) if by is None else (by[0], by[1].subject)
    now = datetime.now(timezone.utc)
    extension: x509.ExtensionType = x509.SubjectAlternativeName(alternatives)
    if by is None:
        extension = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    constraints = x509.BasicConstraints(ca=by is None, path_length=0 if by is None else None)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    # Clocks of two machines differ.
    builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(
        now + timedelta(days=VALID_DAYS)
    )
    builder = builder.add_extension(constraints, critical=True).add_extension(extension, critical=by is None)
    return key, builder.sign(signer, hashes.SHA256())


def _pem(issued: Issued) -> tuple[bytes, bytes]:
    key = issued[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key, issued[1].public_bytes(Encoding.PEM)


def _write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
