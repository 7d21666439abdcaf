"""Settings, the feature repository, what is installed, and where results go."""

from pathlib import Path

from poc.online_store.errors import CallRefused, PocError


class InvalidSettings(CallRefused):
    """An environment variable does not fit."""

    told = "{problems:; }"
    way_out = "Correct or unset it in the environment or in .env."


class NotInProjectFolder(CallRefused):
    """The feature repository is not where the working directory says."""

    told = "{path} is not there, seen from {folder}"
    way_out = "Run this from the project's folder, or set FEAST_REPO_PATH."

    def __init__(self, path: Path) -> None:
        super().__init__(path, Path.cwd())


class InvalidDefinitions(PocError):
    """features.py or feature_store.yaml cannot be used."""

    told = "{path}: {reason}"
    way_out = "Correct {path}, then: feast -c feature_repo plan"

    def __init__(self, path: Path, reason: str) -> None:
        # What others say of it may have several lines.
        super().__init__(path, " ".join(reason.split()))


class RegistryUnreadable(PocError):
    """Feast's registry is there, and cannot be read or written."""

    told = "Cannot use Feast's registry {where}: {reason}"
    way_out = "Make room, let this user read and write {where}, or correct registry in feature_store.yaml."
    damaged = (
        "Put back a copy of it. Or apply and materialize anew: mv {where} {where}.broken"
        " && python scripts/feast_setup.py && python scripts/feast_materialize.py --full"
    )
    # Feast 0.38 writes within a transaction over a second connection.
    locked = (
        "Feast locks itself out of SQLite: write sqlalchemy_config_kwargs: {isolation_level: AUTOCOMMIT}"
        " under registry in feature_store.yaml, or name a file there or another database."
    )

    def __init__(self, where: str, reason: str, damaged: bool = False) -> None:
        way_out = self.damaged.format(where=where) if damaged else None
        super().__init__(where, reason, way_out=self.locked if "database is locked" in reason else way_out)


class StorePackageMissing(PocError):
    """A store or engine that the yaml names cannot be imported."""

    told = "{path} names a store, an engine or a registry that cannot be imported: {reason}"
    way_out = "Install that package; for a store in feature_repo/stores the first lines of {path} say how."


class ValidationNotInstalled(PocError):
    """Feast's own validation was asked for in an environment that does not have it."""

    way_out = (
        "Use the one that has: scripts/install_apart.sh validation   and then"
        "   .validation-venv/bin/python scripts/save_reference.py"
    )


class LoggingNotConfigured(PocError):
    """Features are to be logged, and nothing says where."""

    told = "Feature service {service} has no logging_config"
    way_out = "Give it one in feature_repo/features.py, then: python scripts/feast_setup.py"


class OutputNotWritable(CallRefused):
    """A result cannot be written where it is wanted."""

    told = "Cannot write {path}: {reason}"
    way_out = "Name another file, or make room for this one."
