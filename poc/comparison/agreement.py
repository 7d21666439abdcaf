"""Whether all ways of reading give the same values. A fast wrong answer must not win."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from poc.comparison.methods import Key, Method, Row
from poc.dataset.values import same_value
from poc.errors import ValuesDiffer


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two ways of reading give differently; `values` are by the method's name.

    Without a column, one way knows the transaction and the other does not.
    """

    key: Key
    column: str | None
    values: Mapping[str, object]

    def __str__(self) -> str:
        named, said = "/".join(map(str, self.key)), {name: repr(value) for name, value in self.values.items()}
        if self.column is None:
            said = {name: "unknown" if value is None else "known" for name, value in self.values.items()}
        else:
            named += f" {self.column}"
        return f"{named}: " + ", ".join(f"{what} by {name}" for name, what in said.items())


def differences(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> list[Difference]:
    """List what each answer has otherwise than the first one, by key and column.

    `answers` are each method's rows for `keys`, in their order, by the method's name. Values are held to each
    other by `same_value`; a row of nulls only is no row.
    """
    (first, expected), *others = answers.items()
    found: list[Difference] = []
    for name, rows in others:
        if len(rows) != len(expected) or len(keys) != len(expected):
            raise ValueError(f"{name} gave {len(rows)} rows and {first} {len(expected)} for {len(keys)} keys")
        for key, *pair in zip(keys, expected, rows, strict=True):
            one, other = map(_known, pair)
            if one is not None and other is not None:
                found += (
                    Difference(key, column, {first: one.get(column), name: other.get(column)})
                    for column in dict.fromkeys((*one, *other))
                    if not same_value(other.get(column), one.get(column))
                )
            elif one is not other:
                found.append(Difference(key, None, {first: one, name: other}))
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
    return [key for key, row in zip(keys, answers[methods[0].name], strict=True) if _known(row) is not None]


def _known(row: Row | None) -> Row | None:
    return None if row is None or all(same_value(value, None) for value in row.values()) else row
