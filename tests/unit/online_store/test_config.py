import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from feast import RepoConfig
from pydantic import ValidationError

from poc.online_store.connection import ConnectionSettings, TlsFiles, connection_settings
from poc.online_store.errors import CredentialsUnusable
from poc.online_store.row_store import CassandraRowOnlineStoreConfig

TYPE = "poc.online_store.row_store.CassandraRowOnlineStore"
GUIDE_PRODUCTION_BLOCK = {
    "type": TYPE,
    "hosts": ["cassandra-1.prod.internal", "cassandra-2.prod.internal", "cassandra-3.prod.internal"],
    "port": 9042,
    "keyspace": "feast_online_store",
    "replication_factor": 3,
    "consistency_level": "LOCAL_QUORUM",
}


def config(**keys: Any) -> CassandraRowOnlineStoreConfig:
    return CassandraRowOnlineStoreConfig(**({"type": TYPE, "hosts": ["localhost"]} | keys))


def connection(block: Any, environment: Mapping[str, str] | None = None) -> ConnectionSettings:
    """Read `block` as Feast loads it, in a repository at /srv/feature_repo."""
    loaded = RepoConfig(project="p", provider="local", registry="r.db", entity_key_serialization_version=2)
    loaded._online_store, loaded.repo_path = block, Path("/srv/feature_repo")
    return connection_settings(loaded, {} if environment is None else environment)


def test_guides_production_block_is_accepted_with_only_its_type_changed() -> None:
    made = connection(CassandraRowOnlineStoreConfig(**GUIDE_PRODUCTION_BLOCK))
    assert made.write_consistency == made.read_consistency == "LOCAL_QUORUM"


def test_every_key_of_the_stock_store_is_known() -> None:
    from feast.infra.online_stores.contrib.cassandra_online_store.cassandra_online_store import (
        CassandraOnlineStoreConfig,
    )

    assert set(CassandraOnlineStoreConfig.model_fields) <= set(CassandraRowOnlineStoreConfig.model_fields)


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"keyspce": "x"}, "keyspce"),
        ({"port": "9042"}, "port"),
        ({"port": 0}, "port"),
        ({"hosts": []}, "hosts"),
        ({"hosts": None}, "hosts"),
        ({"secure_bundle_path": "bundle.zip"}, "secure_bundle_path"),
        ({"keyspace": "no-dashes"}, "keyspace"),
        ({"consistency_level": "MOST"}, "consistency_level"),
        ({"consistency_level": "LOCAL_SERIAL"}, "consistency_level"),
        ({"read_consistency_level": "quorum"}, "read_consistency_level"),
        ({"request_timeout": 0}, "request_timeout"),
        ({"ttl_seconds": 0}, "ttl_seconds"),
        ({"ttl_seconds": 630_720_001}, "ttl_seconds"),
        ({"replication_factor": 0}, "replication_factor"),
        ({"replication_factor": 3, "replication": {"dc1": 3}}, "replication_factor"),
        ({"username": "feast"}, "password"),
        ({"tls": {"cert": "c.pem"}}, "tls.ca"),
        ({"tls": {"ca": "a.pem", "cert": "c.pem"}}, "key"),
        ({"tls": {"ca": "a.pem", "chekc_hostname": False}}, "tls.chekc_hostname"),
        ({"load_balancing": {"load_balancing_policy": "Fastest"}}, "load_balancing.load_balancing_policy"),
        ({"read_concurrency": 0}, "read_concurrency"),
    ],
)
def test_wrong_setting_is_refused_by_its_key(keys: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError) as caught:
        config(**keys)
    assert named in str(caught.value)


def seconds_until_2038() -> int:
    return int(
        (datetime(2038, 1, 19, 3, 14, 6, tzinfo=timezone.utc) - datetime.now(timezone.utc)).total_seconds()
    )


def test_time_to_live_that_cassandra_cannot_hold_is_refused_with_the_longest_that_it_can() -> None:
    with pytest.raises(ValidationError) as caught:
        config(ttl_seconds=seconds_until_2038() + 60)
    [error] = caught.value.errors()
    assert error["loc"] == ("ttl_seconds",)
    assert "2038-01-19T03:14:06Z" in error["msg"]
    longest = int(re.search(r"at most (\d+) today", error["msg"])[1])
    assert abs(longest - seconds_until_2038()) <= 5
    assert config(ttl_seconds=longest - 5).ttl_seconds == longest - 5


def test_request_timeout_applies_without_being_stated() -> None:
    assert connection(config()).request_timeout_seconds == 10.0


def test_reads_take_their_own_consistency_where_it_is_stated() -> None:
    made = connection(config(consistency_level="QUORUM", read_consistency_level="ONE"))
    assert (made.read_consistency, made.write_consistency) == ("ONE", "QUORUM")


def test_user_and_password_come_from_the_environment_where_the_settings_have_none() -> None:
    environment = {"CASSANDRA_USERNAME": "feast", "CASSANDRA_PASSWORD": "from-environment"}
    made = connection(config(), environment=environment)
    assert (made.username, made.password) == ("feast", "from-environment")
    stated = connection(config(username="me", password="stated"), environment=environment)
    assert (stated.username, stated.password) == ("me", "stated")


def test_password_may_come_from_a_mounted_file(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("from-file\n")
    environment = {"CASSANDRA_USERNAME": "feast", "CASSANDRA_PASSWORD_FILE": str(tmp_path / "password")}
    made = connection(config(), environment=environment)
    assert (made.username, made.password) == ("feast", "from-file")


def test_user_without_a_password_is_refused() -> None:
    with pytest.raises(CredentialsUnusable, match="neither CASSANDRA_PASSWORD nor"):
        connection(config(), environment={"CASSANDRA_USERNAME": "feast"})


def test_tls_files_are_seen_from_the_feature_repository() -> None:
    tls = {"ca": "../tls/ca.pem", "cert": "/etc/client.pem", "key": "/etc/client.key"}
    files = connection(config(tls=tls)).tls
    assert files == TlsFiles("/srv/feature_repo/../tls/ca.pem", "/etc/client.pem", "/etc/client.key")


def test_own_certificate_is_seen_from_there_too() -> None:
    files = connection(config(tls={"ca": "a.pem", "cert": "c.pem", "key": "k.pem"})).tls
    assert files == TlsFiles(*(f"/srv/feature_repo/{name}.pem" for name in "ack"))
    assert connection(config(tls={"ca": "a.pem"})).tls == TlsFiles("/srv/feature_repo/a.pem")


def test_password_is_shown_nowhere() -> None:
    settings = config(username="me", password="secret-word")
    assert "secret-word" not in repr(settings)
    assert "secret-word" not in repr(connection(settings))


def test_local_dc_comes_from_its_key_before_the_stock_block() -> None:
    block = {"load_balancing_policy": "DCAwareRoundRobinPolicy", "local_dc": "dc1"}
    assert connection(config(load_balancing=block)).local_dc == "dc1"
    assert connection(config(load_balancing=block, local_dc="dc2")).local_dc == "dc2"


def test_stock_settings_get_a_timeout_even_where_feast_has_none() -> None:
    made = connection(stock(hosts=["a", "b"], keyspace="k"))
    assert (made.hosts, made.port, made.keyspace) == (("a", "b"), 9042, "k")
    assert made.request_timeout_seconds == 10.0


def test_stock_block_that_leaves_the_data_centre_out_says_nothing_of_it() -> None:
    policy = {"load_balancing_policy": "DCAwareRoundRobinPolicy"}
    assert connection(stock(hosts=["a"], load_balancing=policy)).local_dc is None
    assert connection(stock(hosts=["a"], load_balancing=policy | {"local_dc": "dc1"})).local_dc == "dc1"
    assert connection(config(load_balancing=policy)).local_dc is None


def stock(**keys: Any) -> Any:
    from feast.infra.online_stores.contrib.cassandra_online_store.cassandra_online_store import (
        CassandraOnlineStoreConfig,
    )

    return CassandraOnlineStoreConfig(**keys)


def test_every_time_and_limit_that_is_stated_is_what_statements_get() -> None:
    stated = config(
        port=9142,
        protocol_version=4,
        request_timeout=2.5,
        connect_timeout=1.5,
        speculative_execution_delay_ms=40,
        compression=True,
        read_concurrency=7,
        write_concurrency=8,
        replication={"dc1": 3},
    )
    assert connection(stated) == ConnectionSettings(
        hosts=("localhost",),
        port=9142,
        protocol_version=4,
        request_timeout_seconds=2.5,
        connect_timeout_seconds=1.5,
        speculative_delay_ms=40,
        compression=True,
        read_concurrency=7,
        write_concurrency=8,
        replication={"dc1": 3},
    )


def test_row_store_and_feasts_own_store_wait_as_long_where_nothing_is_stated() -> None:
    ours, feasts = connection(config()), connection(stock(hosts=["localhost"]))
    assert (ours.connect_timeout_seconds, ours.speculative_delay_ms) == (5.0, None)
    assert replace(feasts, protocol_version=None) == ours


def test_hosts_of_the_environment_go_before_a_bundle() -> None:
    bundle = config(hosts=None, secure_bundle_path="bundle.zip")
    found = connection(bundle, {"CASSANDRA_HOSTS": "b"})
    assert (found.hosts, found.secure_bundle_path) == (("b",), None)


def test_bundle_names_its_own_hosts() -> None:
    found = connection(stock(hosts=["a"], secure_bundle_path="bundle.zip"))
    assert (found.hosts, found.secure_bundle_path) == ((), "bundle.zip")


def test_user_of_the_settings_never_goes_with_a_password_of_the_environment() -> None:
    environment = {"CASSANDRA_USERNAME": "feast", "CASSANDRA_PASSWORD": "from-environment"}
    made = connection(stock(hosts=["a"], username="me"), environment)
    assert (made.username, made.password) == ("feast", "from-environment")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_password_of_a_file_is_all_of_its_line(tmp_path: Path, end: str) -> None:
    (tmp_path / "password").write_text(f"XX X{end}")
    environment = {"CASSANDRA_USERNAME": "feast", "CASSANDRA_PASSWORD_FILE": str(tmp_path / "password")}
    assert connection(config(), environment).password == "XX X"


def test_certificate_of_another_name_is_taken_where_the_settings_say_so() -> None:
    for stated in (True, False):
        files = connection(config(tls={"ca": "a.pem", "check_hostname": stated})).tls
        assert files is not None
        assert files.check_hostname is stated


def test_tls_files_are_seen_from_the_working_directory_where_there_is_no_repository() -> None:
    loaded = RepoConfig(project="p", provider="local", registry="r.db", entity_key_serialization_version=2)
    loaded._online_store = config(tls={"ca": "tls/ca.pem"})
    assert loaded.repo_path is None
    assert connection_settings(loaded, {}).tls == TlsFiles("tls/ca.pem")
