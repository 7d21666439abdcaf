"""Every error a person can meet: what happened, then what to do.

Raised anywhere, caught only where it becomes an exit status (`poc.command_line`) or an HTTP answer
(`poc.serving.problems`).
"""

from collections.abc import Sequence
from pathlib import Path

START_CASSANDRA = "docker-compose up -d cassandra   or, without Docker:   python scripts/start_cassandra.py"


class PocError(Exception):
    """A situation with a way out.

    Attributes:
        what: what happened, with the value that caused it.
        way_out: what to do about it, with the command where there is one.
        exit_status: 1 for a state that has to change, 2 for a call that has to change.
    """

    exit_status = 1

    def __init__(self, what: str, way_out: str) -> None:
        super().__init__(f"{what}\n  {way_out}")
        self.what = what
        self.way_out = way_out


class InvalidSettings(PocError):
    """An environment variable does not fit."""

    exit_status = 2

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems), "Correct or unset it in the environment or in .env.")


class NotInProjectFolder(PocError):
    """The feature repository is not where the working directory says."""

    exit_status = 2

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is not there, seen from {Path.cwd()}",
            "Run this from the project's folder, or set FEAST_REPO_PATH.",
        )


class InvalidDefinitions(PocError):
    """features.py or feature_store.yaml cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}", f"Correct {path}, then: feast -c feature_repo plan")


class CassandraUnavailable(PocError):
    """No Cassandra answers, or not in time."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"Cannot reach Cassandra at {where}: {reason}", f"Start one: {START_CASSANDRA}")


class FeaturesNotApplied(PocError):
    """The registry does not know the feature service."""

    def __init__(self, service: str) -> None:
        super().__init__(
            f"The feature registry has no feature service {service!r}",
            "Apply the definitions: python scripts/feast_setup.py",
        )


class FeaturesNotMaterialized(PocError):
    """The online store holds nothing yet."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} has never been materialized",
            "Fill it: python scripts/feast_materialize.py",
        )
