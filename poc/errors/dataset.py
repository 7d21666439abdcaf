"""Offline data that cannot be used."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from poc.errors.base import PocError


class DatasetUnreadable(PocError):
    """A data file is not what its name says."""

    way_out = "Put a whole file in its place, or take it away; then: python scripts/feast_setup.py"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot read {path}: {reason}")


class DatasetRefused(PocError):
    """A data file breaks rules; nothing was written."""

    def __init__(self, path: Path, problems: Sequence[str], way_out: str | None = None) -> None:
        lines = "".join(f"\n    {problem}" for problem in problems)
        super().__init__(
            f"{path} is refused, and nothing was changed:{lines}",
            f"Correct {path}, then: python scripts/feast_setup.py" if way_out is None else way_out,
        )
        self.problems = tuple(problems)


class TimesMisnamed(DatasetRefused):
    """A data file has no column of the name that times are taken from, and others that hold times.

    `found` names them, each with a value. `prepared` says that made-up times stand in the file already.
    """

    def __init__(self, path: Path, wanted: str, found: Mapping[str, object], prepared: bool) -> None:
        shown = [f"{name} ({value!s:.40})" for name, value in found.items()]
        lacks = f"{wanted} is made up" if prepared else f"no column is called {wanted}"
        which = " or ".join(found)
        file = f"the file that {path} was made from, and put that in its place" if prepared else path
        super().__init__(
            path,
            [f"{lacks}, and {', '.join(shown)} would be passed over"],
            f"Rename {which} to {wanted} if that is what it says, else take it out, in {file}"
            " (README.md, Your own data); then: python scripts/feast_setup.py",
        )


class DatasetDrifted(PocError):
    """New rows are distributed otherwise than what the served model was trained on; nothing was written."""

    def __init__(self, what: str, model: str, drifted: Sequence[str]) -> None:
        lines = "".join(f"\n    {line}" for line in drifted)
        super().__init__(
            f"{what} drifted from what {model} was trained on, and nothing was changed:{lines}",
            "All features: python scripts/validate_features.py. If the change is meant, take it and train:"
            " python scripts/feast_materialize.py --accept-drift --replace"
            " && python poc/train_fraud_model.py",
        )
        self.drifted = tuple(drifted)


class ReferenceUnreadable(PocError):
    """The training reference cannot be read, or is not that of the served model."""

    way_out = (
        "Train, which writes it anew: python poc/train_fraud_model.py; or remove it: drift is then not"
        " checked until the next training."
    )

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is not the training reference of the served model: {reason}")


class ColumnsMissing(PocError):
    """A data file lacks columns that are declared."""

    def __init__(self, path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
        named = ", ".join(columns)
        super().__init__(
            f"{path} has no column {named} (it has: {', '.join(found)})",
            f"Add {named} to {path}, then: python scripts/feast_setup.py",
        )
        self.columns = tuple(columns)


class TwoDatasets(PocError):
    """A CSV and a Parquet both hold a person's records."""

    way_out = "Move the one that is not to be used to another folder, then: python scripts/feast_setup.py"

    def __init__(self, csv: Path, parquet: Path) -> None:
        super().__init__(
            f"{csv} and {parquet} both hold data of yours: preparing one would overwrite the other"
        )


class DatasetMisnamed(PocError):
    """Files look like a person's records, and none of them is called so that it is taken.

    `prepared` holds records that were made before, from a file that is gone or from none.
    """

    def __init__(self, found: Sequence[Path], wanted: Path, prepared: Path | None = None) -> None:
        named = ", ".join(map(str, found))
        made_up = "nothing is made up beside it"
        rest = made_up if prepared is None else f"{prepared} was made before, and not from it"
        super().__init__(
            f"Which data is to be used? There is {named}, and {rest}",
            f"Call the one that is meant {wanted}, or .csv.gz, or {wanted.stem}.parquet, and move the rest to"
            " another folder; then: python scripts/feast_setup.py",
        )


class DatasetNotWritten(PocError):
    """The prepared Parquet could not be put in place."""

    way_out = "Nothing was changed. Make room or give the permission, then: python scripts/feast_setup.py"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"Cannot write {path}: {reason}")


class DatasetNotPrepared(PocError):
    """The Parquet is not there yet."""

    way_out = "Prepare the data: python scripts/feast_setup.py"

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is not there")


class SourceMissing(DatasetNotPrepared):
    """A source is not there, and there are no records to generate for its view."""

    def __init__(self, path: Path, view: str, columns: Sequence[str]) -> None:
        PocError.__init__(
            self,
            f"{path}, which view {view} reads, is not there, and records for it cannot be generated",
            f"Put a Parquet there (its columns: {', '.join(columns) or 'those of the features'}),"
            " then: python scripts/feast_setup.py",
        )
