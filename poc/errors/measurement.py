"""Comparisons and benchmarks that cannot be made, monitoring that cannot be started."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from poc.errors.base import CallRefused, PocError


class ValuesDiffer(PocError):
    """Two ways of reading the same features give different values."""

    SHOWN = 20

    def __init__(self, found: Sequence[str], transactions: int, compared: int) -> None:
        lines = "".join(f"\n    {line}" for line in found[: self.SHOWN])
        more = f"\n    and {len(found) - self.SHOWN:,} more" if len(found) > self.SHOWN else ""
        super().__init__(
            f"The ways of reading disagree about {transactions:,} of {compared:,} transactions:{lines}{more}",
            "Nothing is compared until they agree. Fill both from the same rows: "
            "python scripts/feast_materialize.py --full",
        )


class UnequalConsistency(PocError):
    """The ways to compare read at different consistency levels."""

    def __init__(self, levels: Mapping[str, str]) -> None:
        said = ", ".join(f"{name} at {level}" for name, level in levels.items())
        super().__init__(
            f"These do not compare: {said}", "Configure the same read consistency level for all of them."
        )


class TooFewTransactions(CallRefused):
    """A batch is to be larger than what is materialized."""

    def __init__(self, batch_size: int, available: int) -> None:
        super().__init__(
            f"A batch of {batch_size:,} distinct transactions needs more than the {available:,} that are"
            " materialized",
            f"Ask for --batch-sizes up to {available}, or materialize more: "
            "python scripts/feast_materialize.py --full",
        )


class MethodsUnavailable(CallRefused):
    """A way of reading was asked for that cannot be had here."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        super().__init__(f"Cannot be compared: {said}", "Leave it out of --methods, or change what it lacks.")


class ProgramMissing(PocError):
    """A benchmark, or the monitoring, runs a program that is not installed, nor can be had otherwise."""

    def __init__(self, name: str, otherwise: str = "") -> None:
        super().__init__(
            f"{name} is not on the PATH{otherwise}",
            f"Install it: apt-get install {name}   or, on macOS:   brew install {name}",
        )


class BenchmarkFailed(PocError):
    """A process that was to be measured ended otherwise than it should."""

    def __init__(self, what: str, said: str) -> None:
        super().__init__(
            _with_last_lines(f"{what} failed:", said), "Nothing was written. Correct that, and measure again."
        )


class ResultsMissing(PocError):
    """A page is to be written from results that are not there."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} holds no results", "Measure first: make benchmark")


class MonitoringPortTaken(PocError):
    """Something else listens where Prometheus or Grafana is to."""

    def __init__(self, program: str, where: str, reason: str, variable: str) -> None:
        super().__init__(
            f"{program} cannot listen on {where}: {reason}",
            f"Stop what is there, or set {variable}, for example {variable}=9191.",
        )


class MonitoringFailed(PocError):
    """Prometheus or Grafana ended, or did not get ready."""

    def __init__(self, program: str, how: str, log: Path, said: str) -> None:
        super().__init__(_with_last_lines(f"{program} {how}; its last words:", said), f"All of them: {log}")


def _with_last_lines(what: str, said: str) -> str:
    return "\n    ".join([what, *said.strip().splitlines()[-5:]])
