import time

import pytest
from cassandra import (
    AuthenticationFailed,
    ConsistencyLevel,
    InvalidRequest,
    OperationTimedOut,
    ReadTimeout,
    Unavailable,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionShutdown

from poc.errors import CassandraUnavailable, FeaturesNotMaterialized, FeaturesOutdated, OnlineStoreUnusable
from poc.online_store.errors import UnsupportedType
from poc.retrieval.tables import Deadline, cassandra_failures

WHERE = "127.0.0.1:9042"


def raised(error: Exception) -> Exception:
    with pytest.raises(Exception) as caught, cassandra_failures(WHERE, lambda: FeaturesNotMaterialized("t")):
        raise error
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        OperationTimedOut(),
        ReadTimeout("read", consistency=ConsistencyLevel.ONE, required_responses=1, received_responses=0),
        Unavailable("one", consistency=ConsistencyLevel.ONE, required_replicas=1, alive_replicas=0),
        NoHostAvailable("none", {}),
        ConnectionShutdown("closed"),
        AuthenticationFailed("wrong password"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_cassandra_that_does_not_answer_is_unavailable(error: Exception) -> None:
    found = raised(error)
    assert isinstance(found, CassandraUnavailable)
    assert WHERE in found.what


@pytest.mark.parametrize(
    "message", ["table ks.t does not exist", "Keyspace 'ks' does not exist", "unconfigured table t"]
)
def test_missing_table_is_the_callers_error(message: str) -> None:
    assert isinstance(raised(InvalidRequest(message)), FeaturesNotMaterialized)


def test_missing_column_is_outdated_and_named() -> None:
    said = 'Error from server: code=2200 [Invalid query] message="Undefined column name new in table ks.t"'
    found = raised(InvalidRequest(said))
    assert isinstance(found, FeaturesOutdated)
    assert found.what.endswith("Undefined column name new in table ks.t")


@pytest.mark.parametrize("error", [InvalidRequest("Key may not be empty"), ValueError("ours")], ids=str)
def test_faults_of_our_own_stay_what_they_are(error: Exception) -> None:
    assert raised(error) is error


def test_what_the_row_store_refuses_keeps_its_way_out() -> None:
    refused = UnsupportedType("amount", "Map")
    found = raised(refused)
    assert isinstance(found, OnlineStoreUnusable)
    assert (found.what, found.way_out) == (refused.what, refused.way_out)


def test_deadline_never_gives_zero_which_means_no_limit() -> None:
    deadline = Deadline(0.01)
    time.sleep(0.02)
    assert 0 < deadline.remaining() <= 0.001


def test_deadline_gives_what_is_left() -> None:
    assert 0 < Deadline(5.0).remaining() <= 5.0
