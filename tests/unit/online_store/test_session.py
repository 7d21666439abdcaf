"""What becomes of a read that a replica did not answer."""

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT
from cassandra.policies import RetryPolicy

from poc.online_store.connection import ConnectionSettings
from poc.online_store.session import READ, WRITE, ReadAgain, _cluster_arguments

QUORUM = ConsistencyLevel.LOCAL_QUORUM
SPECULATING = ConnectionSettings(("127.0.0.1",), 9042, speculative_delay_ms=50)


def test_read_of_a_node_that_just_died_is_asked_again_some_times_at_the_same_level() -> None:
    policy = ReadAgain()
    decided = [policy.on_read_timeout(None, QUORUM, 2, 1, False, tried) for tried in range(8)]
    again, given_up = (RetryPolicy.RETRY, QUORUM), (RetryPolicy.RETHROW, None)
    assert decided == [again] * 6 + [given_up] * 2


def test_nodes_that_all_waited_for_the_same_dead_one_leave_some_times_to_ask() -> None:
    """The driver counts the tries of a statement, whichever of the nodes that it asks side by side fails."""
    profiles = _cluster_arguments(SPECULATING, None)["execution_profiles"]
    assert isinstance(profiles, dict)
    profile = profiles[READ]
    plan = profile.speculative_execution_policy.new_plan("keyspace", None)
    asked_at_once = 1 + sum(1 for _ in iter(lambda: plan.next_execution(None), -1))
    assert asked_at_once == 3
    [action, _] = profile.retry_policy.on_read_timeout(None, QUORUM, 2, 1, False, asked_at_once)
    assert action == RetryPolicy.RETRY


def test_every_profile_that_reads_does_so() -> None:
    profiles = _cluster_arguments(ConnectionSettings(("127.0.0.1",), 9042), None)["execution_profiles"]
    assert isinstance(profiles, dict)
    for name in (EXEC_PROFILE_DEFAULT, READ, WRITE):
        assert isinstance(profiles[name].retry_policy, ReadAgain)
