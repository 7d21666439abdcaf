"""Certificates for development: an authority of this machine's own, one for the nodes, one for clients.

    ca.pem, ca.key            the authority, which both ends trust
    node.pem                  the nodes' key and certificate in one file, as Cassandra reads them
    client.pem, client.key    what a client shows

A production cluster has an authority already: name its files in the yaml instead.
"""

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import DNSName, IPAddress

from poc.errors import FolderNotUsable
from poc.online_store.tls import TlsFiles

# As many nodes as an embedded cluster can have.
ADDRESSES = tuple(f"127.0.0.{i}" for i in range(1, 10))
VALID_DAYS = 3650
_FILES = ("ca.pem", "ca.key", "node.pem", "client.pem", "client.key")

Issued = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def client_files(folder: Path) -> TlsFiles:
    """Name the files that a client needs."""
    return TlsFiles(str(folder / "ca.pem"), str(folder / "client.pem"), str(folder / "client.key"))


def ensure_certificates(folder: Path, renew: bool = False) -> bool:
    """Make the certificates in `folder` where one of its files is missing, or `renew`; tell whether.

    Keys are readable by their owner only. All are made anew together: they belong to one authority.

    Raises:
        FolderNotUsable: it cannot be written.
    """
    if not renew and all((folder / name).is_file() for name in _FILES):
        return False
    authority = _issue("feast-cassandra-poc development authority", (), None)
    addresses = [IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    node = _issue("node", [DNSName("localhost"), *addresses], authority)
    client = _issue("client", [DNSName("client")], authority)
    trusted = authority[1].public_bytes(Encoding.PEM)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        write_private(folder / "ca.key", _key_pem(authority))
        write_private(folder / "ca.pem", trusted)
        write_private(folder / "node.pem", _key_pem(node) + node[1].public_bytes(Encoding.PEM) + trusted)
        write_private(folder / "client.key", _key_pem(client))
        write_private(folder / "client.pem", client[1].public_bytes(Encoding.PEM))
    except OSError as error:
        raise FolderNotUsable(folder, str(error)) from error
    return True


def _issue(name: str, alternatives: Sequence[x509.GeneralName], by: Issued | None) -> Issued:
    """Make a key and its certificate; that of an authority, which signs itself, where `by` is None."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer, issuer = (key, subject) if by is None else (by[0], by[1].subject)
    now = datetime.datetime.now(datetime.timezone.utc)
    constraints = x509.BasicConstraints(ca=by is None, path_length=0 if by is None else None)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of two machines differ.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(constraints, critical=True)
    )
    if by is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def _key_pem(issued: Issued) -> bytes:
    return issued[0].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_private(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
