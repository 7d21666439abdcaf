"""Offline data that cannot be used."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from poc.online_store.errors import PocError


class DatasetUnreadable(PocError):
    """A data file is not what its name says."""

    told = "Cannot read {path}: {reason}"
    way_out = "Put a whole file in its place, or take it away; then: python scripts/feast_setup.py"


class DatasetRefused(PocError):
    """A data file breaks rules; nothing was written."""

    told = "{path} is refused, and nothing was changed:{problems:lines}"
    way_out = "Correct {path}, then: python scripts/feast_setup.py"


class TimesMisnamed(DatasetRefused):
    """A data file has no column of the name that times are taken from, and others that hold times.

    `found` names them, each with a value. `prepared` says that made-up times stand in the file already.
    """

    def __init__(self, path: Path, wanted: str, found: Mapping[str, object], prepared: bool) -> None:
        shown = ", ".join(f"{name} ({value!s:.40})" for name, value in found.items())
        lacks = f"{wanted} is made up" if prepared else f"no column is called {wanted}"
        file = f"the file that {path} was made from, and put that in its place" if prepared else path
        way_out = (
            f"Rename {' or '.join(found)} to {wanted} if that is what it says, else take it out, in {file}"
            " (README.md, Your own data); then: python scripts/feast_setup.py"
        )
        super().__init__(path, [f"{lacks}, and {shown} would be passed over"], way_out=way_out)


class DatasetDrifted(PocError):
    """New rows are distributed otherwise than what the served model was trained on; nothing was written."""

    told = "{what} drifted from what {model} was trained on, and nothing was changed:{drifted:lines}"
    way_out = (
        "All features: python scripts/validate_features.py. If the change is meant, take it and train:"
        " python scripts/feast_materialize.py --accept-drift --replace && python poc/train_fraud_model.py"
    )


class ReferenceUnreadable(PocError):
    """The training reference cannot be read, or is not that of the served model."""

    told = "{path} is not the training reference of the served model: {reason}"
    way_out = (
        "Train, which writes it anew: python poc/train_fraud_model.py; or remove it: drift is then not"
        " checked until the next training."
    )


class ColumnsMissing(PocError):
    """A data file lacks columns that are declared."""

    told = "{path} has no column {columns} (it has: {found})"
    way_out = "Add {columns} to {path}, then: python scripts/feast_setup.py"


class TwoDatasets(PocError):
    """A CSV and a Parquet both hold a person's records."""

    told = "{csv} and {parquet} both hold data of yours: preparing one would overwrite the other"
    way_out = "Move the one that is not to be used to another folder, then: python scripts/feast_setup.py"


class DatasetMisnamed(PocError):
    """Files look like a person's records, and none of them is called so that it is taken.

    `prepared` holds records that were made before, from a file that is gone or from none.
    """

    told = "Which data is to be used? There is {found}, and {rest}"
    way_out = (
        "Call the one that is meant {wanted}, or .csv.gz, or {wanted.stem}.parquet, and move the rest to"
        " another folder; then: python scripts/feast_setup.py"
    )

    def __init__(self, found: Sequence[Path], wanted: Path, prepared: Path | None = None) -> None:
        made_up = "nothing is made up beside it"
        rest = made_up if prepared is None else f"{prepared} was made before, and not from it"
        super().__init__(found, rest, wanted)


class DatasetNotWritten(PocError):
    """The prepared Parquet could not be put in place."""

    told = "Cannot write {path}: {reason}"
    way_out = "Nothing was changed. Make room or give the permission, then: python scripts/feast_setup.py"


class DatasetNotPrepared(PocError):
    """The Parquet is not there yet."""

    told = "{path} is not there"
    way_out = "Prepare the data: python scripts/feast_setup.py"


class SourceMissing(DatasetNotPrepared):
    """A source is not there, and there are no records to generate for its view."""

    told = "{path}, which view {view} reads, is not there, and records for it cannot be generated"
    way_out = "Put a Parquet there (its columns: {columns}), then: python scripts/feast_setup.py"
