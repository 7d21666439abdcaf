"""Predictions asked of a server at a constant rate while something happens to it."""

import math
import threading
import time
from dataclasses import dataclass
from typing import Any

from fault_report import Seen
from server_process import ServerProcess

from poc.measurement.cluster import Load
from poc.measurement.core import percentile

PER_SECOND, THREADS = 20.0, 40


@dataclass(frozen=True, slots=True)
class Answer:
    """When it was asked, of `time.monotonic`, how long it took, and what came: no status if nothing did."""

    began: float
    seconds: float
    status: int | None
    probability: float | None


class Predictions(Load):
    """A load that keeps the answers. Some are late: enough threads ask that the others are not."""

    def __init__(self, server: ServerProcess, per_second: float = PER_SECOND, threads: int = THREADS) -> None:
        super().__init__(self._ask, per_second, threads)
        self._server = server
        self._lock = threading.Lock()
        self.answers: list[Answer] = []

    def _ask(self) -> None:
        began = time.monotonic()
        status, body = None, dict[str, Any]()
        try:
            answer = self._server.predict()
            status, body = answer.status_code, answer.json()
        finally:
            seconds = time.monotonic() - began
            with self._lock:
                self.answers.append(Answer(began, seconds, status, body.get("fraud_probability")))

    def asked(self, begin: float, end: float) -> list[Answer]:
        """Return what was asked in [begin, end), in that order."""
        return sorted((a for a in self.answers if begin <= a.began < end), key=lambda a: a.began)

    def served_again(self, since: float) -> float:
        """Return when the first prediction came that was asked for from `since` on."""
        return next(a.began + a.seconds for a in self.asked(since, math.inf) if a.status == 200)

    def require_only_interrupted(self, away: float, back: float, budget_seconds: float, seen: Seen) -> None:
        """Hold the answers of a server whose Cassandra went at `away` and came back at `back`.

        Before and after it every prediction is answered, and always with the one score that the stored values
        have; no answer comes later than a second past the time that a read is given.
        """
        assert {answer.status for answer in self.asked(0, away - budget_seconds)} == {200}
        again = self.served_again(back)
        assert {answer.status for answer in self.asked(again + 0.1, math.inf)} == {200}
        # Never a default score.
        assert len(self.probabilities()) == 1
        assert self.longest_seconds() < budget_seconds + 1.0
        seen("served again after", again - back, "s")
        seen("longest answer", self.longest_seconds(), "s")
        seen("predictions", len(self.answers), "")
        seen("wrong answers", 0, "")

    def probabilities(self) -> set[float]:
        """Return the different scores that came."""
        return {answer.probability for answer in self.answers if answer.probability is not None}

    def percentile_seconds(self, percent: float) -> float:
        """Return the time that so many of a hundred answers did not exceed."""
        return percentile([round(answer.seconds * 1e9) for answer in self.answers], percent) / 1e9

    def longest_seconds(self) -> float:
        """Return how long the slowest answer took."""
        return max(answer.seconds for answer in self.answers)
