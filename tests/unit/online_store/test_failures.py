"""What Cassandra's refusals mean, by the words that it has for them."""

import ssl

import pytest
from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    Unauthorized,
    Unavailable,
    UnresolvableContactPoints,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import OverloadedErrorMessage

from poc.online_store.connection import ConnectionSettings, TlsFiles
from poc.online_store.errors import (
    CassandraLoginRefused,
    CassandraTlsFailed,
    CassandraUnavailable,
    FeaturesOutdated,
    HostsUnknown,
    OnlineTableMissing,
    PocError,
    ProtocolRefused,
    RefusedByGuardrail,
    ReplicasMissing,
    RoleLacksRight,
)
from poc.online_store.failures import (
    cassandra_failures,
    connection_refusal,
    most_keys,
    refusal,
    speaks_older,
)

BEFORE = 'Error from server: code=2200 [Invalid query] message="'


@pytest.mark.parametrize(
    "words", ["table t does not exist", "keyspace k doesn't exist", "unconfigured table t"]
)
def test_table_that_is_not_there_is_told_in_cassandras_words(words: str) -> None:
    told = refusal(f'{BEFORE}{words}"')
    assert isinstance(told, OnlineTableMissing)
    assert f"as it is asked for: {words}" in told.what
    assert 'message="' not in told.what
    assert '"' not in told.what.partition(words)[2]


def test_who_knows_better_what_is_missing_says_so() -> None:
    better = FeaturesOutdated("better")
    assert refusal("unconfigured table t", lambda: better) is better


@pytest.mark.parametrize(
    "words",
    [
        "Undefined column name a in table k.t",
        "Unknown identifier a",
        "Undefined name a in selection clause",
        "Cannot assign value 1 to a",
    ],
)
def test_column_that_is_another_is_told_with_the_definitions(words: str) -> None:
    told = refusal(f'{BEFORE}{words}"')
    assert isinstance(told, FeaturesOutdated)
    assert f"differs from the definitions: {words}" in told.what
    assert BEFORE not in told.what


def test_statement_that_is_itself_at_fault_is_nothing_of_these() -> None:
    assert refusal(f'{BEFORE}line 1:7 no viable alternative"') is None


@pytest.mark.parametrize(
    ("guardrail", "words", "setting"),
    [
        ("read_consistency_levels", "Provided values [LOCAL_ONE] are not allowed", "read_consistency_level"),
        ("write_consistency_levels", "Provided values [ONE] are not allowed", "consistency_level"),
        ("minimum_replication_factor", "1 is too few", "replication_factor"),
        ("partition_keys_in_select", "20 exceeds fail threshold of 5.", "read_keys_per_statement"),
        # No setting changes these.
        ("read_consistency_levels", "Provided values [ONE] are not allowed", None),
        ("write_consistency_levels", "Provided values [LOCAL_SERIAL] are not allowed", None),
        ("user_timestamps", "User provided timestamps (USING TIMESTAMP) is not allowed", None),
    ],
)
def test_guardrail_is_told_with_the_setting_that_stays_within_it(
    guardrail: str, words: str, setting: str | None
) -> None:
    said = f"Guardrail {guardrail} violated: {words}"
    told = refusal(f'{BEFORE}{said}"')
    assert isinstance(told, RefusedByGuardrail)
    assert told.what == f"Cassandra refuses: {said}"
    assert told.way_out.startswith("Whoever" if setting is None else f"State another {setting} in")
    assert "Whoever operates it can change that guardrail" in told.way_out


@pytest.mark.parametrize(
    ("said", "most"),
    [
        (
            "Guardrail partition_keys_in_select violated: Aborting query with partition keys in IN clause on"
            " table t, number of partition keys 20 exceeds fail threshold of 5.",
            5,
        ),
        (
            "Guardrail in_select_cartesian_product violated: Aborting query because the cartesian product of"
            " the IN restrictions on partition key produces 20 values, this exceeds fail threshold of 12.",
            12,
        ),
        ("Guardrail page_size violated: page size 5000 exceeds fail threshold of 1000.", None),
        ("unconfigured table t", None),
    ],
)
def test_most_keys_of_a_statement_are_taken_from_the_refusal(said: str, most: int | None) -> None:
    assert most_keys(f'{BEFORE}{said}"') == most


def test_message_keeps_what_it_quotes() -> None:
    told = refusal(f'{BEFORE}table message="t" does not exist"')
    assert told is not None
    assert 'table message="t" does not exist' in told.what


def acsyllas(name: str, said: str) -> Exception:
    """An error of acsylla's, which need not be installed."""
    error: Exception = type(name, (Exception,), {})(said)
    return error


MAY_NOT = 'Error from server: code=2100 [Unauthorized] message="User me has no SELECT permission"'
TOO_FEW = Unavailable("Unavailable", ConsistencyLevel.QUORUM, required_replicas=2, alive_replicas=1)
LOST = NoHostAvailable("Unable to connect", {"a:1": ConnectionException("refused")})


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (InvalidRequest("unconfigured table t"), OnlineTableMissing, "unconfigured table t"),
        (
            acsyllas("CassErrorServerInvalidQuery", "Undefined column name a"),
            FeaturesOutdated,
            "Undefined column name a",
        ),
        (Unauthorized(MAY_NOT), RoleLacksRight, "at here refuses: User me has no SELECT permission"),
        (
            acsyllas("CassErrorServerUnauthorized", MAY_NOT),
            RoleLacksRight,
            "at here refuses: User me has no SELECT permission",
        ),
        (OperationTimedOut("slow"), CassandraUnavailable, "at here: errors=slow"),
        (ConnectionException("gone"), CassandraUnavailable, "Cassandra at here: gone"),
        (LOST, CassandraUnavailable, "Cassandra at here: refused"),
        (TOO_FEW, ReplicasMissing, "here: QUORUM asks for 2 replicas of a row, and 1 of them are up"),
        (NoHostAvailable("Unable", {"a:1": TOO_FEW}), ReplicasMissing, "and 1 of them are up"),
        (OverloadedErrorMessage(0x1001, "busy", None), CassandraUnavailable, "Cassandra at here: "),
        (acsyllas("CassErrorLibRequestTimedOut", "too late"), CassandraUnavailable, "at here: too late"),
        (acsyllas("CassErrorLibNoHosts", ""), CassandraUnavailable, "at here: CassErrorLibNoHosts"),
        (RuntimeError("Session is Closed"), CassandraUnavailable, "at here: Session is Closed"),
    ],
    ids=lambda item: type(item).__name__ if isinstance(item, Exception) else None,
)
def test_what_a_driver_raises_is_told_by_what_can_be_done_about_it(
    error: Exception, kind: type[PocError], said: str
) -> None:
    with pytest.raises(PocError) as told, cassandra_failures("here"):
        raise error
    assert type(told.value) is kind
    assert said in told.value.what


@pytest.mark.parametrize("name", ["InvalidRequest", "CassErrorServerInvalidQuery"])
def test_table_that_a_driver_does_not_find_is_what_who_asks_says_it_is(name: str) -> None:
    said = "unconfigured table t"
    error = InvalidRequest(said) if name == "InvalidRequest" else acsyllas(name, said)
    better = FeaturesOutdated("better")
    with pytest.raises(FeaturesOutdated) as told, cassandra_failures("here", lambda: better):
        raise error
    assert told.value is better


@pytest.mark.parametrize(
    "error", [RuntimeError("a fault of ours"), ValueError("closed"), InvalidRequest("no viable alternative")]
)
def test_what_is_no_state_of_cassandras_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as told, cassandra_failures("here"):
        raise error
    assert told.value is error


SETTINGS = ConnectionSettings(("a", "b"), username="me", tls=TlsFiles("ca.pem"), protocol_version=5)
OLDER = DriverException("server does not speak protocol version 5")
# As the driver words what failed of a name of several addresses.
OF_TLS = OSError(None, "Tried connecting to [('::1', 1)]. Last error: EOF in violation (_ssl.c:2427)")


@pytest.mark.parametrize("silence", [OSError(111, "Connection refused"), OperationTimedOut("no answer")])
@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (AuthenticationFailed("Bad credentials"), CassandraLoginRefused),
        (ssl.SSLError(1, "[SSL] certificate verify failed (_ssl.c:1006)"), CassandraTlsFailed),
        (OF_TLS, CassandraTlsFailed),
        (OLDER, ProtocolRefused),
    ],
    ids=["login", "tls", "tls of a name", "protocol"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_what_a_node_said_counts_whether_another_one_that_is_gone_was_asked_before_it(
    order: int, said: Exception, kind: type[PocError], silence: Exception
) -> None:
    asked = dict([("a", silence), ("b", said)][::order])
    error = NoHostAvailable("Unable to connect to any servers", asked)
    assert type(connection_refusal(SETTINGS, error)) is kind
    assert speaks_older(error) == (said is OLDER)


def test_hosts_of_no_known_address_are_named() -> None:
    told = connection_refusal(ConnectionSettings(("10.0.0.1:9042",)), UnresolvableContactPoints({}))
    assert type(told) is HostsUnknown
    assert told.what.endswith(": 10.0.0.1:9042:9042")
