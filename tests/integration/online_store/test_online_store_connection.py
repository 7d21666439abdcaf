"""Encryption, and limits on every wait, of both drivers."""

import asyncio
import datetime as dt
import gc
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable, _clusters_for_shutdown
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Int64, String
from tcp_proxy import TcpProxy

from poc.feature_store import read_for_serving
from poc.online_store.errors import CassandraTlsFailed

NOON = dt.datetime(2024, 5, 6, 12, tzinfo=dt.timezone.utc)
DAY = dt.timedelta(days=1)


@dataclass
class Authority:
    """Issues certificates into a folder."""

    folder: Path

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.folder.name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        certificate = self._builder(self.name, self.key).add_extension(constraints, critical=True)
        self.folder.mkdir()
        self.ca = self._write("ca.pem", certificate.sign(self.key, hashes.SHA256()))

    def issue(self, address: str) -> tuple[str, str]:
        """Give the files of a certificate for an IP address and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        certificate = self._builder(subject, key).add_extension(names, critical=False)
        private = self.folder / f"{address}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return self._write(f"{address}.pem", certificate.sign(self.key, hashes.SHA256())), str(private)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.timezone.utc)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - DAY).not_valid_after(now + DAY)

    def _write(self, name: str, certificate: x509.Certificate) -> str:
        path = self.folder / name
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)


class TlsDoor:
    """Takes encrypted connections and passes them on, plain, to the test's Cassandra."""

    def __init__(self, target: tuple[str, int], context: ssl.SSLContext) -> None:
        self.target, self.context = target, context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                plain, _ = self.listener.accept()
                threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        try:
            client = self.context.wrap_socket(plain, server_side=True)
        except (ssl.SSLError, OSError):
            plain.close()
            return
        server = socket.create_connection(self.target)
        back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
        back.start()
        self._copy(client, server)

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def door(cassandra: Any, authority: Authority) -> Iterator[TlsDoor]:
    """Shows a certificate for 127.0.0.1, and asks for one of the same authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("127.0.0.1"))
    context.load_verify_locations(authority.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    opened = TlsDoor((cassandra.hosts[0], cassandra.port), context)
    with closing(opened.listener):
        yield opened


def tls(authority: Authority, **more: Any) -> dict[str, Any]:
    cert, key = authority.issue("10.0.0.1")
    return {"ca": authority.ca, "cert": cert, "key": key} | more


@pytest.mark.parametrize("driver", ["acsylla", "cassandra-driver"])
def test_encrypted_connection_writes_and_reads(
    stores: Any, door: TlsDoor, authority: Authority, driver: str
) -> None:
    store = stores.open(engine={"driver": driver}, port=door.port, tls=tls(authority))
    stores.write_source(pa.table({"id": ["x"], "a": [1], "event_timestamp": [NOON]}))
    stores.view(store, {"a": Int64}, {"id": String})
    store.materialize(NOON - DAY, NOON + DAY)
    assert store.get_online_features(["stats:a"], [{"id": "x"}]).to_dict()["a"] == [1]


def test_node_of_another_authority_is_not_talked_to(
    stores: Any, door: TlsDoor, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path / "stranger")
    store = stores.open(port=door.port, tls=tls(authority, ca=stranger.ca))
    with pytest.raises(CassandraTlsFailed):
        stores.view(store, {"a": Int64}, {"id": String})


def test_certificate_for_another_address_is_accepted_only_without_the_check(
    stores: Any, cassandra: Any, authority: Authority
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("10.9.9.9"))
    door = TlsDoor((cassandra.hosts[0], cassandra.port), context)
    with closing(door.listener):
        with pytest.raises(CassandraTlsFailed):
            stores.view(stores.open(port=door.port, tls=tls(authority)), {"a": Int64}, {"id": String})
        lax = stores.open(port=door.port, tls=tls(authority, check_hostname=False))
        stores.view(lax, {"a": Int64}, {"id": String})


@pytest.mark.alone
def test_read_of_a_frozen_cassandra_ends_at_the_request_timeout(
    stores: Any, cassandra: Any, rows_of: Any
) -> None:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    store = stores.open(port=proxy.port, request_timeout=0.5)
    rows = rows_of(store, stores.view(store, {"a": Int64}, {"id": String}))
    key = rows.key(id=Value(string_val="x"))
    rows.write(key, {"a": Value(int64_val=1)})
    assert rows.read(key)[0][1] == {"a": Value(int64_val=1)}
    proxy.stall()
    for read in (
        lambda: rows.read(key),
        lambda: rows.read(*[key] * 50),
        lambda: asyncio.run(rows.online.online_read_async(store.config, rows.view, [key])),
    ):
        start = time.monotonic()
        with pytest.raises((OperationTimedOut, NoHostAvailable)):
            read()
        # Connecting alone may take 5 s otherwise: the first read of an event loop does.
        assert time.monotonic() - start < 4
    proxy.resume()
    assert rows.read(key)[0][1] == {"a": Value(int64_val=1)}


@pytest.mark.alone
def test_caller_may_wait_less_than_the_request_timeout(stores: Any, cassandra: Any) -> None:
    proxy = TcpProxy((cassandra.hosts[0], cassandra.port))
    store = stores.open(port=proxy.port, request_timeout=30.0)
    read_for_serving(store, 0.3, "auto")
    stores.view(store, {"a": Int64}, {"id": String})
    rows = [{"id": "x"}]
    assert store.get_online_features(["stats:a"], rows).to_dict()["a"] == [None]
    proxy.stall()
    start = time.monotonic()
    with pytest.raises(OperationTimedOut):
        store.get_online_features(["stats:a"], rows)
    assert time.monotonic() - start < 2
    proxy.resume()


@pytest.mark.parametrize("layout", ["rows", "stock"])
def test_store_that_nobody_has_any_more_leaves_no_session(stores: Any, layout: str) -> None:
    others = set(_clusters_for_shutdown)
    store = stores.open(layout)
    stores.view(store, {"a": Int64}, {"id": String})
    store.get_online_features(["stats:a"], [{"id": "x"}])
    [cluster] = _clusters_for_shutdown - others
    stores.opened.clear()
    del store
    gc.collect()
    give_up = time.monotonic() + 10
    while not cluster.is_shutdown and time.monotonic() < give_up:
        time.sleep(0.05)
    assert cluster.is_shutdown
