"""What becomes of a read that a replica did not answer."""

import ssl
from typing import Any

import certifi
import pytest
from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import DCAwareRoundRobinPolicy, RetryPolicy, TokenAwarePolicy
from cassandra.query import named_tuple_factory, tuple_factory

from poc.online_store.connection import ConnectionSettings, TlsFiles
from poc.online_store.session import (
    HEARTBEAT_SECONDS,
    HEARTBEAT_TIMEOUT_SECONDS,
    READ,
    RECONNECTION_DELAY_SECONDS,
    SCHEMA,
    SCHEMA_AGREEMENT_SECONDS,
    SCHEMA_TIMEOUT_SECONDS,
    WRITE,
    ReadAgain,
    WholeSegments,
    _cluster_arguments,
)

QUORUM = ConsistencyLevel.LOCAL_QUORUM
# What the driver tells of a read that timed out.
SAID = {"consistency": QUORUM, "required_responses": 2, "received_responses": 1, "data_retrieved": False}
SPECULATING = ConnectionSettings(("127.0.0.1",), 9042, speculative_delay_ms=50)
STATED = ConnectionSettings(
    ("node1", "node2"),
    9142,
    read_consistency="ONE",
    write_consistency="QUORUM",
    request_timeout_seconds=7.5,
    connect_timeout_seconds=3.0,
    local_dc="dc2",
    compression=True,
)


def arguments(settings: ConnectionSettings, version: int | None = None) -> dict[str, Any]:
    return dict(_cluster_arguments(settings, version))


def test_what_is_stated_of_the_cluster_is_what_the_driver_is_told() -> None:
    told = arguments(STATED, 5)
    del told["execution_profiles"], told["reconnection_policy"]
    assert told == {
        "contact_points": ["node1", "node2"],
        "port": 9142,
        "protocol_version": 5,
        "connect_timeout": 3.0,
        "control_connection_timeout": 3.0,
        "compression": "lz4",
        "max_schema_agreement_wait": SCHEMA_AGREEMENT_SECONDS,
        "idle_heartbeat_interval": HEARTBEAT_SECONDS,
        "idle_heartbeat_timeout": HEARTBEAT_TIMEOUT_SECONDS,
        "schema_metadata_enabled": False,
        "schema_event_refresh_window": -1,
        "connection_class": WholeSegments,
    }
    assert arguments(ConnectionSettings(("a",)))["compression"] is False


def test_node_that_was_lost_is_asked_for_again_for_ever() -> None:
    policy = arguments(STATED)["reconnection_policy"]
    assert (policy.delay, policy.max_attempts) == (RECONNECTION_DELAY_SECONDS, None)


@pytest.mark.parametrize(("version", "learns"), [(None, False), (5, False), (4, False), (3, True)])
def test_only_an_old_protocol_has_the_driver_learn_all_tables(version: int | None, learns: bool) -> None:
    assert arguments(STATED, version)["schema_metadata_enabled"] is learns


@pytest.mark.parametrize(
    ("name", "level", "seconds", "rows"),
    [
        (EXEC_PROFILE_DEFAULT, "QUORUM", 7.5, named_tuple_factory),
        (READ, "ONE", 7.5, tuple_factory),
        (WRITE, "QUORUM", 7.5, tuple_factory),
        (SCHEMA, "ONE", SCHEMA_TIMEOUT_SECONDS, tuple_factory),
    ],
)
def test_each_profile_has_its_level_its_time_and_its_rows(
    name: object, level: str, seconds: float, rows: object
) -> None:
    profile = arguments(STATED)["execution_profiles"][name]
    assert profile.consistency_level == ConsistencyLevel.name_to_value[level]
    assert (profile.request_timeout, profile.row_factory) == (seconds, rows)


@pytest.mark.parametrize("name", [EXEC_PROFILE_DEFAULT, READ, WRITE, SCHEMA])
@pytest.mark.parametrize(("stated", "asked"), [("dc2", "dc2"), (None, "")])
def test_statements_go_to_a_node_with_the_row_in_the_stated_data_centre(
    name: object, stated: str | None, asked: str
) -> None:
    profile = arguments(ConnectionSettings(("a",), local_dc=stated))["execution_profiles"][name]
    assert isinstance(profile.load_balancing_policy, TokenAwarePolicy)
    within = profile.load_balancing_policy._child_policy
    assert isinstance(within, DCAwareRoundRobinPolicy)
    assert within.local_dc == asked


def test_delay_is_stated_in_milliseconds_and_the_driver_waits_in_seconds() -> None:
    profiles = arguments(SPECULATING)["execution_profiles"]
    for name in (EXEC_PROFILE_DEFAULT, READ, WRITE):
        assert profiles[name].speculative_execution_policy.delay == 0.05


def test_read_of_a_node_that_just_died_is_asked_again_some_times_at_the_same_level() -> None:
    policy = ReadAgain()
    decided = [policy.on_read_timeout(None, retry_num=tried, **SAID) for tried in range(8)]
    again, given_up = (RetryPolicy.RETRY, QUORUM), (RetryPolicy.RETHROW, None)
    assert decided == [again] * 6 + [given_up] * 2


def test_nodes_that_all_waited_for_the_same_dead_one_leave_some_times_to_ask() -> None:
    """The driver counts the tries of a statement, whichever of the nodes that it asks side by side fails."""
    profile = arguments(SPECULATING)["execution_profiles"][READ]
    plan = profile.speculative_execution_policy.new_plan("keyspace", None)
    asked_at_once = 1 + sum(1 for _ in iter(lambda: plan.next_execution(None), -1))
    assert asked_at_once == 3
    [action, _] = profile.retry_policy.on_read_timeout(None, retry_num=asked_at_once, **SAID)
    assert action == RetryPolicy.RETRY


def test_every_profile_that_reads_does_so() -> None:
    profiles = arguments(ConnectionSettings(("127.0.0.1",), 9042))["execution_profiles"]
    for name in (EXEC_PROFILE_DEFAULT, READ, WRITE):
        assert isinstance(profiles[name].retry_policy, ReadAgain)


def test_nodes_are_verified_by_the_stated_authority_and_their_names_as_stated() -> None:
    for checked in (True, False):
        files = TlsFiles(certifi.where(), check_hostname=checked)
        context = arguments(ConnectionSettings(("a",), tls=files))["ssl_context"]
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.check_hostname is checked
    assert "ssl_context" not in arguments(ConnectionSettings(("a",)))
