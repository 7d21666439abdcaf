"""The ways of reading features that are compared: how each is called in the results, and what it gives.

How each reads is up to `poc.comparison.reads`; when and how often, to `poc.comparison.measure`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Feast's stock Cassandra store reads at the driver's default, and cannot be told otherwise.
CONSISTENCY = "LOCAL_ONE"

BASELINE = "direct-cassandra"
DIRECT_IN = "direct-cassandra-in"
# Title and remark by name, in the order of all results.
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
# The call as the guide types it, of which the guide promises something.
GUIDES_CALL = ("feast", "feast-rows", "feast-unresolved")
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
    """One way of reading the features of transactions.

    Attributes:
        name: in the JSON; `title` is that in the table and the picture.
        remark: what it brings beside latency; the guide's column "Features".
        read: gives a row of feature values for each key, in the keys' order; None for an unknown one.
        least_batch: smallest batch that it is measured at; of fewer it reads as the baseline does.
    """

    name: str
    title: str
    remark: str
    read: Read
    consistency: str = CONSISTENCY
    least_batch: int = 1


def known_method(name: str, read: Read, consistency: str, least_batch: int = 1) -> Method:
    """Make the method `name` of `KNOWN`."""
    title, remark = KNOWN[name]
    return Method(name, title, remark, read, consistency, least_batch)
