"""Monitoring that cannot be started."""

from pathlib import Path

from poc.errors.base import PocError


class PrometheusMissing(PocError):
    """There is nothing to run Prometheus with."""

    def __init__(self) -> None:
        super().__init__(
            "prometheus is not on the PATH, and no Docker engine answers",
            "Install it: apt-get install prometheus   or, on macOS:   brew install prometheus",
        )


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
        lines = said.strip().splitlines()[-5:]
        super().__init__("\n    ".join([f"{program} {how}; its last words:", *lines]), f"All of them: {log}")
