"""The one connection: what Feast's loaded block says, whichever store it names, and what overrides it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.errors import InvalidDefinitions, OnlineStoreError, PocError
from poc.feature_store import cassandra_connection
from poc.online_store.connection import ConnectionSettings
from poc.online_store.errors import (
    CredentialsUnusable,
    EnvironmentUnusable,
    NoCassandra,
    StoreSettingUnusable,
)
from poc.online_store.session import _cluster_arguments
from poc.settings import Settings

STORES = Path(__file__).parents[3] / "feature_repo/stores"
ROWS = "poc.online_store.row_store.CassandraRowOnlineStore"
BOTH = pytest.mark.parametrize("store", ["cassandra", ROWS])


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOSTS", "PORT", "USERNAME", "PASSWORD", "PASSWORD_FILE"):
        monkeypatch.delenv(f"CASSANDRA_{name}", raising=False)


def connection(folder: Path, online_store: dict[str, Any], **settings: Any) -> ConnectionSettings:
    """What a yaml with this block connects to; one of the row store on host `a` where it says no other."""
    stated = {"type": ROWS, "hosts": ["a"]} | online_store
    stated = {key: value for key, value in stated.items() if value != "left out"}
    whole = {"project": "p", "registry": "r.db", "provider": "local", "online_store": stated}
    (folder / "feature_store.yaml").write_text(
        yaml.safe_dump(whole | {"entity_key_serialization_version": 2})
    )
    return cassandra_connection(Settings(_env_file=None, feast_repo_path=folder, **settings))


@BOTH
def test_a_block_of_hosts_alone_is_a_plain_connection(tmp_path: Path, store: str) -> None:
    found = connection(tmp_path, {"type": store})
    assert (str(found), found.keyspace) == ("a:9042", "feast_keyspace")
    assert (found.read_consistency, found.tls, found.username) == ("LOCAL_ONE", None, None)
    assert (found.local_dc, found.protocol_version, found.replication) == (None, None, None)


@pytest.mark.parametrize("key", ["read_concurrency", "write_concurrency"])
@pytest.mark.parametrize("number", [0, -1])
def test_no_statement_in_flight_is_refused_before_anything_is_said_to_be_done(
    tmp_path: Path, key: str, number: int
) -> None:
    with pytest.raises(StoreSettingUnusable, match=f"{key} is {number}, and nothing is ever sent then"):
        connection(tmp_path, {"type": "cassandra", key: number})


@BOTH
def test_policy_that_feast_refuses_when_it_connects_is_refused_before(tmp_path: Path, store: str) -> None:
    stated = {"type": store, "load_balancing": {"load_balancing_policy": "RoundRobinPolicy"}}
    with pytest.raises(PocError, match="TokenAwarePolicy"):
        connection(tmp_path, stated)


@pytest.mark.parametrize("key", ["consistency_level", "read_consistency_level"])
def test_row_store_takes_no_level_at_which_nothing_is_known_to_be_written(tmp_path: Path, key: str) -> None:
    with pytest.raises(InvalidDefinitions, match="is none of"):
        connection(tmp_path, {key: "ANY"})


@BOTH
def test_empty_values_are_not_stated(tmp_path: Path, store: str) -> None:
    empty = dict.fromkeys(("port", "password", "protocol_version", "load_balancing", "request_timeout"))
    if store == ROWS:
        empty |= dict.fromkeys(("local_dc", "tls", "replication", "consistency_level"))
    assert connection(tmp_path, empty | {"type": store, "username": ""}) == connection(
        tmp_path, {"type": store}
    )


def test_statements_run_at_the_level_that_the_yaml_states(tmp_path: Path) -> None:
    found = connection(tmp_path, {"consistency_level": "LOCAL_QUORUM"})
    assert (found.write_consistency, found.read_consistency) == ("LOCAL_QUORUM", "LOCAL_QUORUM")


def test_reads_have_a_level_of_their_own_where_the_yaml_states_one(tmp_path: Path) -> None:
    stated = {"consistency_level": "LOCAL_QUORUM", "read_consistency_level": "LOCAL_ONE"}
    found = connection(tmp_path, stated)
    assert (found.write_consistency, found.read_consistency) == ("LOCAL_QUORUM", "LOCAL_ONE")


@BOTH
def test_the_data_centre_is_that_of_the_load_balancing(tmp_path: Path, store: str) -> None:
    policy = {"load_balancing_policy": "DCAwareRoundRobinPolicy"}
    stated = {"type": store, "load_balancing": policy | {"local_dc": "Frankfurt"}}
    assert connection(tmp_path, stated).local_dc == "Frankfurt"
    # Its default is a name that the stock store has made up.
    assert connection(tmp_path, {"type": store, "load_balancing": policy}).local_dc is None


def test_the_row_store_s_own_data_centre_goes_first(tmp_path: Path) -> None:
    policy = {"load_balancing_policy": "DCAwareRoundRobinPolicy", "local_dc": "Frankfurt"}
    assert connection(tmp_path, {"local_dc": "Berlin", "load_balancing": policy}).local_dc == "Berlin"


def test_the_row_store_takes_one_host_as_a_text_and_several_with_commas(tmp_path: Path) -> None:
    assert connection(tmp_path, {"hosts": "localhost"}).hosts == ("localhost",)
    assert connection(tmp_path, {"hosts": "a, b"}).hosts == ("a", "b")


def test_feast_s_own_store_wants_a_list_of_hosts_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinitions) as refused:
        connection(tmp_path, {"type": "cassandra", "hosts": "localhost"})
    assert "online_store.hosts: " in refused.value.what
    assert "'localhost'" in refused.value.what
    assert "[localhost]" in refused.value.what
    assert "\n" not in refused.value.what


@pytest.mark.parametrize("stated", [{"username": "me", "password": 5377}, {"password": "secret-5377"}])
def test_a_refused_block_shows_no_password(tmp_path: Path, stated: dict[str, Any]) -> None:
    with pytest.raises(InvalidDefinitions, match="password") as refused:
        connection(tmp_path, stated)
    assert "5377" not in str(refused.value)


@BOTH
def test_the_environment_goes_before_the_yaml(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    given = {"cassandra_hosts": ("b", "c"), "cassandra_port": 1}
    assert str(connection(tmp_path, {"type": store}, **given)) == "b:1,c:1"
    monkeypatch.setenv("CASSANDRA_HOSTS", "d, e")
    monkeypatch.setenv("CASSANDRA_PORT", "2")
    assert str(connection(tmp_path, {"type": store})) == "d:2,e:2"


@BOTH
def test_hosts_of_the_environment_go_before_a_bundle(tmp_path: Path, store: str) -> None:
    bundle = {"type": store, "hosts": "left out", "secure_bundle_path": "/astra/bundle.zip"}
    assert str(connection(tmp_path, bundle, cassandra_hosts=("b",))) == "b:9042"


def test_hosts_of_the_environment_do_for_a_store_that_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite = {"type": "sqlite", "hosts": "left out"}
    with pytest.raises(NoCassandra, match="sqlite"):
        connection(tmp_path, sqlite)
    monkeypatch.setenv("CASSANDRA_HOSTS", "b")
    assert connection(tmp_path, sqlite).hosts == ("b",)


def at_port(folder: Path, stated: str) -> ConnectionSettings:
    """What Feast's own commands connect to, which know none of our settings, where CASSANDRA_PORT says so."""
    from feast import FeatureStore

    from poc.online_store.connection import connection_settings

    connection(folder, {"port": 9999})
    return connection_settings(FeatureStore(str(folder)).config, {"CASSANDRA_PORT": stated})


@pytest.mark.parametrize("stated", ["x", "0", "65536", "-1", "٣"])
def test_a_port_that_is_none_is_refused_by_name(tmp_path: Path, stated: str) -> None:
    with pytest.raises(EnvironmentUnusable, match=f"CASSANDRA_PORT='{stated}' is no port"):
        at_port(tmp_path, stated)


@pytest.mark.parametrize(
    ("stated", "port"), [("1", 1), ("65535", 65535), ("", 9999), ("tcp://10.0.0.1:9042", 9999)]
)
def test_first_and_last_port_are_ports_and_an_address_of_kubernetes_is_nobodys_choice(
    tmp_path: Path, stated: str, port: int
) -> None:
    assert at_port(tmp_path, stated).port == port


@BOTH
def test_a_secure_bundle_is_taken_to_the_driver_with_the_credentials(tmp_path: Path, store: str) -> None:
    stated = {"type": store, "hosts": "left out", "secure_bundle_path": "/astra/bundle.zip"}
    found = connection(tmp_path, stated | {"username": "token", "password": "secret-word"})
    assert (found.hosts, str(found)) == ((), "/astra/bundle.zip")
    arguments = _cluster_arguments(found, None)
    assert arguments["cloud"] == {"secure_connect_bundle": "/astra/bundle.zip"}
    assert {"contact_points", "port", "protocol_version"}.isdisjoint(arguments)
    login = arguments["auth_provider"]
    assert (login.username, login.password) == ("token", "secret-word")


def test_tls_files_are_seen_from_the_feature_repository(tmp_path: Path) -> None:
    tls = {"ca": "../ca.pem", "cert": "/etc/client.pem", "key": "/etc/client.key"}
    files = connection(tmp_path, {"tls": tls}).tls
    assert files is not None
    assert (files.ca, files.cert) == (f"{tmp_path}/../ca.pem", "/etc/client.pem")


def test_tls_without_an_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinitions, match=r"tls\.ca"):
        connection(tmp_path, {"tls": {"cert": "client.pem"}})


@BOTH
def test_user_and_password_come_from_the_environment_where_the_yaml_has_none(
    tmp_path: Path, store: str
) -> None:
    given = {"cassandra_username": "feast", "cassandra_password": "from-environment"}
    found = connection(tmp_path, {"type": store}, **given)
    assert (found.username, found.password) == ("feast", "from-environment")
    stated = connection(tmp_path, {"type": store, "username": "me", "password": "mine"}, **given)
    assert (stated.username, stated.password) == ("me", "mine")


def test_a_password_may_be_in_a_file_whose_last_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("mounted word \n")
    found = connection(tmp_path, {}, cassandra_username="feast", cassandra_password_file=file)
    assert found.password == "mounted word "


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"cassandra_username": "feast"}, "neither CASSANDRA_PASSWORD nor CASSANDRA_PASSWORD_FILE"),
        ({"cassandra_password": "secret-word"}, "no CASSANDRA_USERNAME"),
        ({"cassandra_username": "a", "cassandra_password_file": "/no/such"}, "/no/such: No such file"),
        ({"cassandra_username": "a", "cassandra_password_file": "binary"}, "binary: is not text"),
        (
            {"cassandra_username": "a", "cassandra_password": "secret-word", "cassandra_password_file": "b"},
            "both set",
        ),
    ],
)
def test_half_of_the_credentials_is_an_error_that_shows_no_password(
    tmp_path: Path, given: dict[str, str], named: str
) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    if given.get("cassandra_password_file") == "binary":
        given = given | {"cassandra_password_file": str(tmp_path / "binary")}
    with pytest.raises(CredentialsUnusable, match=named) as caught:
        connection(tmp_path, {}, **given)
    assert isinstance(caught.value, OnlineStoreError)
    assert "secret-word" not in str(caught.value)


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    empty = {"cassandra_username": "", "cassandra_password": "", "cassandra_password_file": ""}
    assert connection(tmp_path, {}, **empty).username is None


def test_the_password_is_shown_nowhere(tmp_path: Path) -> None:
    given = {"cassandra_username": "feast", "cassandra_password": "secret-word"}
    settings = Settings(_env_file=None, **given)
    found = connection(tmp_path, {}, **given)
    assert "secret-word" not in f"{settings!r} {settings} {found!r} {found}"


@pytest.mark.parametrize("name", ["cluster.yaml", "cluster_secure.yaml"])
def test_the_cluster_s_yaml_is_the_guide_s_block_on_three_addresses(name: str) -> None:
    stated = yaml.safe_load((STORES / name).read_text())["online_store"]
    assert stated["hosts"] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert (stated["port"], stated["keyspace"]) == (9042, "feast_online_store")
    assert (stated["replication_factor"], stated["consistency_level"]) == (3, "LOCAL_QUORUM")
    assert "username" not in stated
    assert "password" not in stated
