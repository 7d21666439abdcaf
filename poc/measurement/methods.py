"""The ways of reading features that are compared: what each is called and returns, and whether they agree.

How each reads is up to `poc.measurement.reads`; when and how often, to `poc.measurement.core`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from poc.dataset.values import same_value
from poc.errors import ValuesDiffer

# Feast's stock Cassandra store reads at the driver's default, and cannot be told otherwise.
CONSISTENCY = "LOCAL_ONE"

BASELINE = "direct-cassandra"
DIRECT_IN = "direct-cassandra-in"
# In the order of all results: title, and what it brings beside latency, the guide's column "Features".
KNOWN = {
    BASELINE: ("Direct Cassandra", "(!) Manual management"),
    DIRECT_IN: ("Direct Cassandra, IN", "(!) The same, keys together in a statement"),
    "feast": ("Feast", "✅ Versioning, lineage, consistency"),
    "feast-rows": ("Feast, row store", "✅ The same, one row an entity"),
    "feast-unresolved": ("Feast, provider local", "✅ The same, names looked up in each call"),
    "feast-rows-acsylla": ("Feast, row store, acsylla", "✅ The same, C++ driver, awaited"),
    "direct-acsylla": ("Direct, acsylla", "(!) Manual management, C++ driver"),
    "feast-server": ("Feast, feature server", "✅ The same, over HTTP, no driver in the client"),
}
# Those that are compared only when they are asked for: a feature server takes seconds to start.
ON_REQUEST = ("direct-acsylla", "feast-server")
# The call as the guide types it, of which the guide promises something. What it takes unresolved is its past.
GUIDES_CALL = ("feast", "feast-rows")
# What all ratios are to, for the record.
BASELINE_READ = (
    "cassandra-driver, one prepared statement an id, rows as tuples (tuple_factory), as poc/serve_model.py"
)

# A transaction as a request names it: the values of the service's join keys, in their order.
Key = tuple[Any, ...]
Row = Mapping[str, Any]
Read = Callable[[Sequence[Key]], Sequence[Row | None]]


@dataclass(frozen=True, slots=True)
class Method:
    """One way of reading the features of transactions: its name in the JSON, its title in table and picture.

    `read` returns a row of feature values for each key, in the keys' order; None for an unknown one.
    `least_batch` is the smallest batch that it is measured at: of fewer it reads as the baseline does.
    """

    name: str
    title: str
    read: Read
    consistency: str = CONSISTENCY
    least_batch: int = 1


def differences(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> list[tuple[Key, str]]:
    """Return what each answer has otherwise than the first one: the key, and a line with both values.

    `answers` are each method's rows for `keys`, in their order, by the method's name. Values are compared by
    `same_value`; a row of nulls only is no row.
    """
    (first, expected), *others = answers.items()
    found: list[tuple[Key, str]] = []
    for name, rows in others:
        if len(rows) != len(expected) or len(keys) != len(expected):
            raise ValueError(f"{name} gave {len(rows)} rows and {first} {len(expected)} for {len(keys)} keys")
        for key, *pair in zip(keys, expected, rows, strict=True):
            one, other = map(_known, pair)
            if one is None or other is None:
                known = ["unknown" if row is None else "known" for row in (one, other)]
                unequal = [("", known[0], known[1])] if one is not other else []
            else:
                unequal = [
                    (f" {column}", repr(one.get(column)), repr(other.get(column)))
                    for column in dict.fromkeys((*one, *other))
                    if not same_value(other.get(column), one.get(column))
                ]
            spoken = "/".join(map(str, key))
            found += ((key, f"{spoken}{what}: {a} by {first}, {b} by {name}") for what, a, b in unequal)
    return found


def require_agreement(keys: Sequence[Key], answers: Mapping[str, Sequence[Row | None]]) -> None:
    """Raise `ValuesDiffer`, with the transactions and columns, unless all answers are the same."""
    found = differences(keys, answers)
    if found:
        raise ValuesDiffer([line for _, line in found], len({key for key, _ in found}), len(keys))


def agreed_keys(methods: Sequence[Method], keys: Sequence[Key], chunk: int = 100) -> list[Key]:
    """Read all `keys` once by every method, `chunk` at a time, and return those that are known.

    `ValuesDiffer` names every difference, not only the first chunk's.
    """
    answers: dict[str, list[Row | None]] = {method.name: [] for method in methods}
    for start in range(0, len(keys), chunk):
        for method in methods:
            answers[method.name] += method.read(keys[start : start + chunk])
    require_agreement(keys, answers)
    return [key for key, row in zip(keys, answers[methods[0].name], strict=True) if _known(row) is not None]


def _known(row: Row | None) -> Row | None:
    return None if row is None or all(same_value(value, None) for value in row.values()) else row
