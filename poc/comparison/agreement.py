"""Whether all ways of reading give the same values. A fast wrong answer must not win."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from poc.comparison.methods import Method, Row
from poc.errors import ValuesDiffer
from poc.retrieval.source import as_utc


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two ways of reading give differently.

    Attributes:
        transaction_id: whose it is.
        column: the feature's name; None where one way knows the transaction and the other does not.
        values: what each way gave, by the method's name.
    """

    transaction_id: str
    column: str | None
    values: Mapping[str, object]

    def __str__(self) -> str:
        if self.column is None:
            said = ", ".join(
                f"{'unknown' if value is None else 'known'} by {name}" for name, value in self.values.items()
            )
            return f"{self.transaction_id}: {said}"
        said = ", ".join(f"{value!r} by {name}" for name, value in self.values.items())
        return f"{self.transaction_id} {self.column}: {said}"


def differences(ids: Sequence[str], answers: Mapping[str, Sequence[Row | None]]) -> list[Difference]:
    """List what each answer has otherwise than the first one, by id and column.

    Args:
        ids: the transactions that were read.
        answers: each method's rows for them, in their order, by the method's name.

    Types count: 1, 1.0 and True differ. Not-a-number and null are the same, as Feast gives no
    other sign for the one, and so are a row of nulls only and no row.
    """
    (first, expected), *others = answers.items()
    found: list[Difference] = []
    for name, rows in others:
        if len(rows) != len(expected) or len(ids) != len(expected):
            raise ValueError(f"{name} gave {len(rows)} rows and {first} {len(expected)} for {len(ids)} ids")
        for key, one, other in zip(ids, expected, rows, strict=True):
            found += _row_differences(key, (first, one), (name, other))
    return found


def require_agreement(ids: Sequence[str], answers: Mapping[str, Sequence[Row | None]]) -> None:
    """Hold the answers of all ways to each other.

    Raises:
        ValuesDiffer: with the transactions and columns.
    """
    found = differences(ids, answers)
    if found:
        affected = len({difference.transaction_id for difference in found})
        raise ValuesDiffer([str(difference) for difference in found], affected, len(ids))


def agreed_ids(methods: Sequence[Method], ids: Sequence[str], chunk: int) -> list[str]:
    """Read all `ids` once by every method, `chunk` at a time, and return those that are known.

    Raises:
        ValuesDiffer: the ways disagree; every difference is named, not only the first chunk's.
    """
    answers: dict[str, list[Row | None]] = {method.name: [] for method in methods}
    for start in range(0, len(ids), chunk):
        for method in methods:
            answers[method.name] += method.read(ids[start : start + chunk])
    require_agreement(ids, answers)
    return [key for key, row in zip(ids, answers[methods[0].name], strict=True) if _is_known(row)]


def _row_differences(
    key: str, one: tuple[str, Row | None], other: tuple[str, Row | None]
) -> list[Difference]:
    (name, row), (other_name, other_row) = one, other
    if not _is_known(row) or not _is_known(other_row):
        if _is_known(row) == _is_known(other_row):
            return []
        return [Difference(key, None, {name: row, other_name: other_row})]
    assert row is not None and other_row is not None
    columns = list(dict.fromkeys((*row, *other_row)))
    return [
        Difference(key, column, {name: row.get(column), other_name: other_row.get(column)})
        for column in columns
        if not _same(row.get(column), other_row.get(column))
    ]


def _is_known(row: Row | None) -> bool:
    return row is not None and any(_comparable(value) is not None for value in row.values())


def _same(one: object, other: object) -> bool:
    left, right = _comparable(one), _comparable(other)
    return type(left) is type(right) and left == right


def _comparable(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return None
    return as_utc(value) if isinstance(value, datetime) else value
