import ipaddress
import socket
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509

from poc.errors import FolderNotUsable
from poc.local_cassandra.secure import client_files, ensure_certificates
from poc.online_store.connection import tls_context


def test_a_client_and_a_node_accept_each_other(tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    node = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    node.load_cert_chain(tmp_path / "node.pem")
    node.load_verify_locations(tmp_path / "ca.pem")
    node.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            plain, _ = server.accept()
            with node.wrap_socket(plain, server_side=True) as connection:
                connection.sendall(b"hello")

        thread = threading.Thread(target=serve)
        thread.start()
        context = tls_context(client_files(tmp_path))
        with (
            socket.create_connection(server.getsockname()) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            assert connection.recv(5) == b"hello"
        thread.join()


def test_the_nodes_certificate_names_the_addresses_of_every_node_and_localhost(tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    text = (tmp_path / "node.pem").read_bytes()
    node = x509.load_pem_x509_certificates(text)[0]
    names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {ipaddress.ip_address(f"127.0.0.{i}") for i in (1, 2, 3)}
    assert addresses <= set(names.get_values_for_type(x509.IPAddress))
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    ensure_certificates(tmp_path / "tls")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "tls").iterdir()}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_what_is_there_stays_unless_it_is_to_be_renewed_or_a_file_is_missing(tmp_path: Path) -> None:
    assert ensure_certificates(tmp_path)
    before = (tmp_path / "ca.pem").read_text()
    assert not ensure_certificates(tmp_path)
    assert (tmp_path / "ca.pem").read_text() == before
    (tmp_path / "client.key").unlink()
    assert ensure_certificates(tmp_path)
    assert (tmp_path / "ca.pem").read_text() != before
    assert ensure_certificates(tmp_path, renew=True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderNotUsable, match="file/tls"):
        ensure_certificates(tmp_path / "file" / "tls")
