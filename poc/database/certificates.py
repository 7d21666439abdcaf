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
from typing import TYPE_CHECKING

from poc.errors import FolderNotUsable
from poc.online_store.tls import TlsFiles

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec

# As many nodes as an embedded cluster can have.
ADDRESSES = tuple(f"127.0.0.{i}" for i in range(1, 10))
NAMES = ("localhost",)
VALID_DAYS = 3650
_FILES = ("ca.pem", "ca.key", "node.pem", "client.pem", "client.key")


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
    from cryptography.x509 import DNSName, IPAddress

    authority_key, authority = _authority()
    names = [DNSName(name) for name in NAMES]
    addresses = [IPAddress(ipaddress.ip_address(address)) for address in ADDRESSES]
    node_key, node = _issue(authority_key, authority, "node", [*names, *addresses])
    client_key, client = _issue(authority_key, authority, "client", [DNSName("client")])
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        _write(folder / "ca.key", _key_pem(authority_key))
        _write(folder / "ca.pem", _certificate_pem(authority))
        _write(folder / "node.pem", _key_pem(node_key) + _certificate_pem(node) + _certificate_pem(authority))
        _write(folder / "client.key", _key_pem(client_key))
        _write(folder / "client.pem", _certificate_pem(client))
    except OSError as error:
        raise FolderNotUsable(folder, str(error)) from error
    return True


def _authority() -> "tuple[ec.EllipticCurvePrivateKey, x509.Certificate]":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("feast-cassandra-poc development authority")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    builder = _builder(name, name, key.public_key()).add_extension(constraints, critical=True)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    return key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())


def _issue(
    authority_key: "ec.EllipticCurvePrivateKey",
    authority: "x509.Certificate",
    name: str,
    alternatives: "Sequence[x509.GeneralName]",
) -> "tuple[ec.EllipticCurvePrivateKey, x509.Certificate]":
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    builder = (
        _builder(_name(name), authority.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    )
    return key, builder.sign(authority_key, hashes.SHA256())


def _builder(
    subject: "x509.Name", issuer: "x509.Name", key: "ec.EllipticCurvePublicKey"
) -> "x509.CertificateBuilder":
    from cryptography import x509

    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of two machines differ.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _name(common: str) -> "x509.Name":
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _key_pem(key: "ec.EllipticCurvePrivateKey") -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate_pem(certificate: "x509.Certificate") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
