"""Whether all ways of reading give the same values. A fast wrong answer must not win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poc.comparison.methods import Key, Method, Row
from poc.dataset.values import same_value
from poc.errors import ValuesDiffer


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two ways of reading give differently.

    Attributes:
        key: whose it is.
        column: the feature's name; None where one way knows the transaction and the other does not.
        values: what each way gave, by the method's name.
    """

    key: Key
    column: str | None
    values: Mapping[str, object]

    def __str__(self) -> str:
        named = "/".join(map(str, self.key))
        if self.column is None:
            said = ", ".join(
                f"{'unknown' if value is None else 'known'} by {name}" for name, value in self.values.items()
            )
            return f"{named}: {said}"
        said = ", ".join(f"{value!r} by {name}" for name, value in self.values.items())
        return f"{named} {self.column}: {said}"


def differences(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> list[Difference]:
    """List what each answer has otherwise than the first one, by key and column.

    Args:
        keys: the transactions that were read.
        answers: each method's rows for them, in their order, by the method's name.

    Values are held to each other by `same_value`; a row of nulls only is no row.
    """
    (first, expected), *others = answers.items()
    found: list[Difference] = []
    for name, rows in others:
        if len(rows) != len(expected) or len(keys) != len(expected):
            raise ValueError(f"{name} gave {len(rows)} rows and {first} {len(expected)} for {len(keys)} keys")
        for key, one, other in zip(keys, expected, rows, strict=True):
            found += _row_differences(key, (first, one), (name, other))
    return found


def require_agreement(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
    """Hold the answers of all ways to each other.

    Raises:
        ValuesDiffer: with the transactions and columns.
    """
    found = differences(keys, answers)
    if found:
        affected = len({difference.key for difference in found})
        raise ValuesDiffer([str(difference) for difference in found], affected, len(keys))


def agreed_keys(methods: Sequence[Method], keys: Sequence[Key], chunk: int) -> list[Key]:
    """Read all `keys` once by every method, `chunk` at a time, and return those that are known.

    Raises:
        ValuesDiffer: the ways disagree; every difference is named, not only the first chunk's.
    """
    answers: dict[str, list[Row | None]] = {method.name: [] for method in methods}
    for start in range(0, len(keys), chunk):
        for method in methods:
            answers[method.name] += method.read(keys[start : start + chunk])
    require_agreement(keys, answers)
    return [key for key, row in zip(keys, answers[methods[0].name], strict=True) if _is_known(row)]


def _row_differences(
    key: Key, one: tuple[str, Row | None], other: tuple[str, Row | None]
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
        if not same_value(other_row.get(column), row.get(column))
    ]


def _is_known(row: Row | None) -> bool:
    return row is not None and not all(same_value(value, None) for value in row.values())
