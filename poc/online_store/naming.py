"""Names of tables and columns: readable where Cassandra allows it, unambiguous always."""

import hashlib
import re
from typing import TypeAlias

# What every Cassandra takes for the name of a table, so that ours are good anywhere, or of a keyspace.
MAX_TABLE_NAME = 48
# The most that Cassandra 5.0.6 takes for a table's: its folder, `name-` and 32 digits, is to fit a file name.
MAX_STOCK_TABLE_NAME = 222
_DIGEST = 12
# What Cassandra takes for a name, in quotes.
PLAIN_TABLE = re.compile(rf"[A-Za-z0-9_]{{1,{MAX_TABLE_NAME}}}")
STOCK_TABLE = re.compile(rf"[A-Za-z0-9_]{{1,{MAX_STOCK_TABLE_NAME}}}")
_SYSTEM_KEYSPACE = re.compile(r"(?i)system(_(auth|distributed|schema|traces|views|virtual_schema))?")
_PLAIN = re.compile(r"[A-Za-z0-9](_?[A-Za-z0-9])*")
_NOT_WORD = re.compile(r"[^A-Za-z0-9]+")

# The project of the guide, whose names are the guide's.
GUIDE_PROJECT = "ml_platform_poc"

# The table that says which generation is served; no view's table is called so, whatever the view is called.
GENERATIONS = "generations"
EVENT_TIMESTAMP = "event_timestamp"
CREATED_TIMESTAMP = "created_timestamp"
# Keyspace and name.
Table: TypeAlias = tuple[str, str]
# Columns of our own, by name: their types. No field gets one of these names.
OWN_COLUMNS = {EVENT_TIMESTAMP: "timestamp", CREATED_TIMESTAMP: "timestamp"}


def keyspace_fault(name: str) -> str | None:
    """Return why `name` can be no keyspace of this project; None where it can."""
    if PLAIN_TABLE.fullmatch(name) is None:
        return f"no keyspace for Cassandra: up to {MAX_TABLE_NAME} letters, digits and underscores are one"
    return "a keyspace of Cassandra's own" if _SYSTEM_KEYSPACE.fullmatch(name) else None


def table_name(project: str, view: str, use: str = "") -> str:
    """Name the table of `view`, or of one `use` of it: `project__view`, or shortened with a digest of both.

    No two pairs share a name: a plain part never contains or ends in a double underscore, and a shortened
    name never contains one. None is the stock store's `project_view`: both layouts can live in one keyspace.
    """
    name = f"{project}__{view}" + (f"__{use}" if use else "")
    if _PLAIN.fullmatch(project) and _PLAIN.fullmatch(view) and len(name) <= MAX_TABLE_NAME:
        return name
    # Nothing that a view is called has a NUL.
    digested = f"{len(project)}:{project}:{view}" + (f"\0{use}" if use else "")
    digest = hashlib.sha256(digested.encode()).hexdigest()[:_DIGEST]
    readable = _NOT_WORD.sub("_", f"{project}_{view}").strip("_")[: MAX_TABLE_NAME - _DIGEST - 1].rstrip("_")
    return f"{readable}_{digest}" if readable else digest


def stock_table_name(project: str, view: str) -> str:
    """Name the table of `view` as Feast's own store does."""
    return f"{project}_{view}"


def generation_table(project: str, view: str, number: int) -> str:
    """Name the table of a generation of `view`; the first, which `feast apply` makes, has the plain name."""
    return table_name(project, view, f"g{number}" if number else "")


def project_name(project: str, name: str) -> str:
    """Name a table of `project` that people type: as it is for the guide's project, else with the project's.

    Two projects on one Cassandra never share such a table.
    """
    return name if project == GUIDE_PROJECT and len(name) <= MAX_TABLE_NAME else table_name(project, name)


def direct_table_name(project: str, view: str) -> str:
    """Name the table of `view` that is read without Feast: the view's own name in the guide's project.

    Another project's differs from the row store's too: both may be in one keyspace.
    """
    if project == GUIDE_PROJECT and PLAIN_TABLE.fullmatch(view):
        return view
    return table_name(project, view, "direct")


def column_name(field: str) -> str:
    """Name the column of `field`: the same name, unless it is one of the row's own two timestamps.

    Those get an underscore more, as do names that already look so: no two fields share a column.
    """
    return f"{field}_" if field.rstrip("_") in OWN_COLUMNS else field


def quoted(identifier: str) -> str:
    """Quote a name for CQL: case is kept, and any character is allowed in a column's name."""
    return '"' + identifier.replace('"', '""') + '"'
