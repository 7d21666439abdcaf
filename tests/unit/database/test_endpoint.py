from pathlib import Path
from typing import Any

import pytest
import yaml

from poc.database.endpoint import Endpoint, configured_endpoint
from poc.errors import InvalidDefinitions, OnlineStoreUnusable
from poc.settings import Settings

STORES = Path(__file__).parents[3] / "feature_repo/stores"


def endpoint_of(tmp_path: Path, online_store: dict[str, Any], **settings: Any) -> Endpoint:
    (tmp_path / "feature_store.yaml").write_text(yaml.safe_dump({"online_store": online_store}))
    return configured_endpoint(Settings(_env_file=None, feast_repo_path=tmp_path, **settings))


def test_statements_run_at_the_level_that_the_yaml_states(tmp_path: Path) -> None:
    endpoint = endpoint_of(tmp_path, {"hosts": ["a"], "consistency_level": "LOCAL_QUORUM"})
    assert (endpoint.consistency, endpoint.read_consistency) == ("LOCAL_QUORUM", "LOCAL_QUORUM")


def test_reads_have_a_level_of_their_own_where_the_yaml_states_one(tmp_path: Path) -> None:
    stated = {"hosts": ["a"], "consistency_level": "LOCAL_QUORUM", "read_consistency_level": "LOCAL_ONE"}
    endpoint = endpoint_of(tmp_path, stated)
    assert (endpoint.consistency, endpoint.read_consistency) == ("LOCAL_QUORUM", "LOCAL_ONE")


def test_stock_yaml_gives_one_copy_and_a_plain_connection(tmp_path: Path) -> None:
    endpoint = endpoint_of(tmp_path, {"hosts": ["a"]})
    assert (endpoint.read_consistency, endpoint.tls, endpoint.username) == ("LOCAL_ONE", None, None)


def test_tls_files_are_seen_from_the_feature_repository(tmp_path: Path) -> None:
    tls = {"ca": "../ca.pem", "cert": "/etc/client.pem", "key": "/etc/client.key"}
    files = endpoint_of(tmp_path, {"hosts": ["a"], "tls": tls}).tls
    assert files is not None
    assert (files.ca, files.cert) == (f"{tmp_path}/../ca.pem", "/etc/client.pem")


def test_tls_without_an_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidDefinitions, match="names no ca"):
        endpoint_of(tmp_path, {"hosts": ["a"], "tls": {"cert": "client.pem"}})


def test_user_and_password_come_from_the_environment_where_the_yaml_has_none(tmp_path: Path) -> None:
    given = {"cassandra_username": "feast", "cassandra_password": "from-environment"}
    endpoint = endpoint_of(tmp_path, {"hosts": ["a"]}, **given)
    assert (endpoint.username, endpoint.password) == ("feast", "from-environment")
    stated = endpoint_of(tmp_path, {"hosts": ["a"], "username": "me", "password": "mine"}, **given)
    assert (stated.username, stated.password) == ("me", "mine")


def test_a_password_may_be_in_a_file_whose_last_line_ends(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("mounted word \n")
    endpoint = endpoint_of(
        tmp_path,
        {"hosts": ["a"]},
        cassandra_username="feast",
        cassandra_password_file=tmp_path / "password",
    )
    assert endpoint.password == "mounted word "


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"cassandra_username": "feast"}, "neither CASSANDRA_PASSWORD nor CASSANDRA_PASSWORD_FILE"),
        ({"cassandra_password": "secret-word"}, "no CASSANDRA_USERNAME"),
        ({"cassandra_username": "a", "cassandra_password_file": "/no/such"}, "/no/such: No such file"),
        (
            {"cassandra_username": "a", "cassandra_password": "secret-word", "cassandra_password_file": "b"},
            "both set",
        ),
    ],
)
def test_half_of_the_credentials_is_an_error_that_shows_no_password(
    tmp_path: Path, given: dict[str, str], named: str
) -> None:
    with pytest.raises(OnlineStoreUnusable, match=named) as caught:
        endpoint_of(tmp_path, {"hosts": ["a"]}, **given)
    assert "secret-word" not in str(caught.value)


def test_an_empty_variable_is_not_set(tmp_path: Path) -> None:
    empty = {"cassandra_username": "", "cassandra_password": "", "cassandra_password_file": ""}
    assert endpoint_of(tmp_path, {"hosts": ["a"]}, **empty).username is None


def test_the_password_is_shown_nowhere(tmp_path: Path) -> None:
    given = {"cassandra_username": "feast", "cassandra_password": "secret-word"}
    settings = Settings(_env_file=None, **given)
    endpoint = endpoint_of(tmp_path, {"hosts": ["a"]}, **given)
    assert "secret-word" not in f"{settings!r} {settings} {endpoint!r} {endpoint}"


@pytest.mark.parametrize("name", ["cluster.yaml", "cluster_secure.yaml"])
def test_the_cluster_s_yaml_is_the_guide_s_block_on_three_addresses(name: str) -> None:
    stated = yaml.safe_load((STORES / name).read_text())["online_store"]
    assert stated["hosts"] == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    assert (stated["port"], stated["keyspace"]) == (9042, "feast_online_store")
    assert (stated["replication_factor"], stated["consistency_level"]) == (3, "LOCAL_QUORUM")
    assert "username" not in stated
    assert "password" not in stated
