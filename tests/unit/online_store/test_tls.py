"""The context of an encrypted connection, between two ends of this machine; and files that make none."""

import socket
import ssl
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from poc.local_cassandra.secure import client_files, ensure_certificates
from poc.online_store.connection import TlsFiles, tls_context
from poc.online_store.errors import TlsFilesUnusable


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    ensure_certificates(made)
    return made


def node_takes(files: TlsFiles, folder: Path, reached_at: str) -> bool:
    """Whether a node that asks for a certificate, and a client with `files`, speak to each other."""
    node = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    node.load_cert_chain(folder / "node.pem")
    node.load_verify_locations(folder / "ca.pem")
    node.verify_mode = ssl.CERT_REQUIRED
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    theirs.settimeout(5)

    def answer() -> None:
        try:
            with node.wrap_socket(theirs, server_side=True) as connection:
                connection.sendall(connection.recv(5))
        except OSError:
            theirs.close()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with tls_context(files).wrap_socket(ours, server_hostname=reached_at) as connection:
            connection.sendall(b"hello")
            return connection.recv(5) == b"hello"
    except ssl.SSLError:
        return False
    finally:
        ours.close()
        thread.join()


def test_node_of_the_stated_authority_is_spoken_to_with_the_stated_certificate(folder: Path) -> None:
    assert node_takes(client_files(folder), folder, "127.0.0.1")


def test_node_that_wants_a_certificate_takes_none_without(folder: Path) -> None:
    assert not node_takes(TlsFiles(str(folder / "ca.pem")), folder, "127.0.0.1")


def test_node_of_another_authority_is_not_spoken_to(folder: Path, tmp_path: Path) -> None:
    ensure_certificates(tmp_path)
    assert not node_takes(replace(client_files(folder), ca=str(tmp_path / "ca.pem")), folder, "127.0.0.1")


@pytest.mark.parametrize("checked", [True, False])
def test_node_that_is_called_otherwise_is_spoken_to_only_where_names_are_not_checked(
    folder: Path, checked: bool
) -> None:
    files = replace(client_files(folder), check_hostname=checked)
    assert node_takes(files, folder, "elsewhere.example") is not checked


def test_files_are_read_as_they_are(folder: Path) -> None:
    files = client_files(folder)
    assert files.cert is not None
    assert files.key is not None
    assert files.texts() == tuple(Path(name).read_text() for name in (files.ca, files.cert, files.key))
    assert TlsFiles(files.ca).texts() == (Path(files.ca).read_text(), None, None)


@pytest.mark.parametrize("lacking", ["ca", "cert", "key"])
def test_file_that_is_not_there_is_named_with_the_reason(folder: Path, lacking: str) -> None:
    files = replace(client_files(folder), **{lacking: "/no/such.pem"})
    with pytest.raises(TlsFilesUnusable) as refused:
        tls_context(files)
    assert refused.value.what.endswith("cannot be used: /no/such.pem: No such file or directory")


def test_file_that_is_not_text_is_named_with_the_reason(folder: Path, tmp_path: Path) -> None:
    binary = tmp_path / "ca.der"
    binary.write_bytes(b"\xff")
    with pytest.raises(TlsFilesUnusable, match=rf"cannot be used: {binary}: .*can't decode byte 0xff"):
        tls_context(TlsFiles(str(binary)))


def test_files_that_do_not_belong_together_are_named_with_the_reason(folder: Path) -> None:
    files = replace(client_files(folder), key=str(folder / "ca.key"))
    with pytest.raises(TlsFilesUnusable) as refused:
        tls_context(files)
    assert f"cannot be used: {files.ca}, {files.cert}, {files.key}: " in refused.value.what
    assert "MISMATCH" in refused.value.what
