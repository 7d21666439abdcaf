"""Comparisons and benchmarks that cannot be made, monitoring that cannot be started."""

from collections.abc import Sequence
from pathlib import Path

from poc.online_store.errors import CallRefused, PocError


class ValuesDiffer(PocError):
    """Two ways of reading the same features give different values."""

    SHOWN = 20
    told = (
        "The ways of reading disagree about {transactions:,} of {compared:,} transactions:{found:lines}{more}"
    )
    way_out = (
        "Nothing is compared until they agree. Fill both from the same rows:"
        " python scripts/feast_materialize.py --full"
    )

    def __init__(self, found: Sequence[str], transactions: int, compared: int) -> None:
        more = f"\n    and {len(found) - self.SHOWN:,} more" if len(found) > self.SHOWN else ""
        super().__init__(transactions, compared, found[: self.SHOWN], more)


class UnequalConsistency(PocError):
    """The ways to compare read at different consistency levels."""

    told = "These do not compare: {levels}"
    way_out = "Configure the same read consistency level for all of them."


class TooFewTransactions(CallRefused):
    """A batch is to be larger than what is materialized."""

    told = "A batch of {size:,} distinct transactions needs more than the {available:,} that are materialized"
    way_out = (
        "Ask for --batch-sizes up to {available}, or materialize more:"
        " python scripts/feast_materialize.py --full"
    )


class MethodsUnavailable(CallRefused):
    """A way of reading was asked for that cannot be had here."""

    told = "Cannot be compared: {reasons:; }"
    way_out = "Leave it out of --methods, or change what it lacks."


class ProgramMissing(PocError):
    """A benchmark, or the monitoring, runs a program that is not installed, nor can be had otherwise."""

    told = "{name} is not on the PATH{otherwise}"
    way_out = "Install it: apt-get install {name}   or, on macOS:   brew install {name}"

    def __init__(self, name: str, otherwise: str = "") -> None:
        super().__init__(name, otherwise)


class BenchmarkFailed(PocError):
    """A process that was to be measured ended otherwise than it should."""

    told = "{what} failed:{last:lines}"
    way_out = "Nothing was written. Correct that, and measure again."

    def __init__(self, what: str, said: str) -> None:
        super().__init__(what, _last_lines(said))


class ResultsMissing(PocError):
    """A page is to be written from results that are not there."""

    told = "{path} holds no results"
    way_out = "Measure first: make benchmark"


class MonitoringPortTaken(PocError):
    """Something else listens where Prometheus or Grafana is to."""

    told = "{program} cannot listen on {where}: {reason}"
    way_out = "Stop what is there, or set {variable}, for example {variable}=9191."


class MonitoringFailed(PocError):
    """Prometheus or Grafana ended, or did not get ready."""

    told = "{program} {how}; its last words:{last:lines}"
    way_out = "All of them: {log}"

    def __init__(self, program: str, how: str, log: Path, said: str) -> None:
        super().__init__(program, how, _last_lines(said), log)


def _last_lines(said: str) -> list[str]:
    return said.strip().splitlines()[-5:]
