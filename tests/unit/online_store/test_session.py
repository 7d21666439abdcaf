"""What becomes of a read that a replica did not answer."""

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import RetryPolicy

from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import READ, WRITE, ReadAgain, _cluster_arguments

QUORUM = ConsistencyLevel.LOCAL_QUORUM


def test_read_of_a_node_that_just_died_is_asked_again_some_times_at_the_same_level() -> None:
    policy = ReadAgain()
    decided = [policy.on_read_timeout(None, QUORUM, 2, 1, False, tried) for tried in range(4)]
    again, given_up = (RetryPolicy.RETRY, QUORUM), (RetryPolicy.RETHROW, None)
    assert decided == [again, again, given_up, given_up]


def test_every_profile_that_reads_does_so() -> None:
    profiles = _cluster_arguments(ConnectionSettings(("127.0.0.1",), 9042), None)["execution_profiles"]
    assert isinstance(profiles, dict)
    for name in (EXEC_PROFILE_DEFAULT, READ, WRITE):
        assert isinstance(profiles[name].retry_policy, ReadAgain)
