"""One prepared statement of cassandra-driver, sent once a key, a bounded number at a time."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.query import tuple_factory

from poc.retrieval.lookup import Row
from poc.retrieval.tables import Deadline

READS_IN_FLIGHT = 100


class DriverRows:
    """Reads rows by key. Safe to use from many threads at once.

    Args:
        session: where to read.
        cql: a statement with one marker.
        consistency: level it reads at, by Cassandra's name.

    Raises:
        the driver's errors: the statement cannot be prepared.
    """

    def __init__(self, session: Session, cql: str, consistency: str = "LOCAL_ONE") -> None:
        self._session = session
        # Named tuples, the driver's default, cost a new class for each answer.
        self._profile = session.execution_profile_clone_update(
            EXEC_PROFILE_DEFAULT,
            row_factory=tuple_factory,
            consistency_level=ConsistencyLevel.name_to_value[consistency],
        )
        self._statement = session.prepare(cql)
        self._statement.is_idempotent = True

    def __call__(self, keys: Sequence[str], deadline: Deadline) -> list[Sequence[Row]]:
        """Give the rows of each of `keys`, in their order."""
        if len(keys) == 1:
            answer = self._session.execute(
                self._statement, (keys[0],), deadline.remaining(), execution_profile=self._profile
            )
            return [answer.all()]
        return list(self._in_order(keys, deadline))

    def _in_order(self, keys: Sequence[str], deadline: Deadline) -> Iterator[Sequence[Row]]:
        send, statement, profile = self._session.execute_async, self._statement, self._profile
        sent = (
            send(statement, (key,), timeout=deadline.remaining(), execution_profile=profile) for key in keys
        )
        waiting = deque(islice(sent, READS_IN_FLIGHT))
        while waiting:
            rows = waiting.popleft().result().all()
            waiting.extend(islice(sent, 1))
            yield rows
