import socket

import pytest

from poc.errors import AddressUnavailable
from poc.serving.listening import begin_to_listen, bind, shown_host


def test_free_address_is_taken() -> None:
    listener = bind("127.0.0.1", 0)
    assert listener.getsockname()[1] > 0
    listener.close()


def test_address_in_use_is_refused_by_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressUnavailable, match=f"127.0.0.1:{port}"):
            bind("127.0.0.1", port)


def test_of_two_that_took_an_address_before_they_listened_one_is_refused() -> None:
    with bind("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with bind("127.0.0.1", port) as second:
            begin_to_listen(first)
            with pytest.raises(AddressUnavailable, match=f"127.0.0.1:{port}: Address already in use"):
                begin_to_listen(second)


@pytest.mark.parametrize("host", ["203.0.113.1", "no such host"])
def test_address_of_another_machine_is_refused(host: str) -> None:
    with pytest.raises(AddressUnavailable):
        bind(host, 18099)


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("127.0.0.1", "localhost"),
        ("10.1.2.3", "10.1.2.3"),
        ("fe80::1", "[fe80::1]"),
    ],
)
def test_shown_host_can_be_asked(host: str, shown: str) -> None:
    assert shown_host(host) == shown
