"""Settings, the feature repository, what is installed, and where results go."""

from collections.abc import Sequence
from pathlib import Path

from poc.errors.base import CallRefused, PocError


class InvalidSettings(CallRefused):
    """An environment variable does not fit."""

    way_out = "Correct or unset it in the environment or in .env."

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))


class NotInProjectFolder(CallRefused):
    """The feature repository is not where the working directory says."""

    way_out = "Run this from the project's folder, or set FEAST_REPO_PATH."

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there, seen from {Path.cwd()}")


class InvalidDefinitions(PocError):
    """features.py or feature_store.yaml cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        # What others say of it may have several lines.
        said = " ".join(reason.split())
        super().__init__(f"{path}: {said}", f"Correct {path}, then: feast -c feature_repo plan")


class RegistryUnreadable(PocError):
    """Feast's registry is there, and cannot be read or written."""

    def __init__(self, where: str, reason: str, damaged: bool = False) -> None:
        way_out = (
            f"Make room, let this user read and write {where}, or correct registry in feature_store.yaml."
        )
        if damaged:
            way_out = (
                "Put back a copy of it. Or apply and materialize anew:"
                f" mv {where} {where}.broken && python scripts/feast_setup.py"
                " && python scripts/feast_materialize.py --full"
            )
        super().__init__(f"Cannot use Feast's registry {where}: {reason}", way_out)


class StorePackageMissing(PocError):
    """A store or engine that the yaml names cannot be imported."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} names a store, an engine or a registry that cannot be imported: {reason}",
            f"Install that package; for a store in feature_repo/stores the first lines of {path} say how.",
        )


class ValidationNotInstalled(PocError):
    """Feast's own validation was asked for in an environment that does not have it."""

    way_out = (
        "Use the one that has: scripts/install_apart.sh validation   and then"
        "   .validation-venv/bin/python scripts/save_reference.py"
    )


class LoggingNotConfigured(PocError):
    """Features are to be logged, and nothing says where."""

    way_out = "Give it one in feature_repo/features.py, then: python scripts/feast_setup.py"


class OutputNotWritable(CallRefused):
    """A result cannot be written where it is wanted."""

    way_out = "Name another file, or make room for this one."

    def __init__(self, path: Path, reason: str, way_out: str | None = None) -> None:
        super().__init__(f"Cannot write {path}: {reason}", way_out)
