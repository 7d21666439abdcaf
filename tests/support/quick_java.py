"""Options of Java for a Cassandra that lives as long as some tests."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# A node that no test brings back after a kill need not write out each change of the schema, and one that has
# room for the keyspaces of all tests need not write out their tables.
MANY_KEYSPACES = (
    "-Dcassandra.test.flush_local_schema_changes=false",
    "-Dcassandra.unsafesystem=true",
    "-Dcassandra.config.allow_system_properties=true",
    "-Dcassandra.settings.memtable_heap_space=300MiB",
    "-Dcassandra.settings.memtable_offheap_space=600MiB",
    "-Dcassandra.settings.commitlog_total_space=1GiB",
)
MANY_KEYSPACES_HEAP_MB = 1024


@contextmanager
def quick_java(*options: str) -> Iterator[None]:
    """Let Java compile as is best for minutes, not for days: a node is up for 40 % less of the processor."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("JAVA_TOOL_OPTIONS", " ".join(["-XX:TieredStopAtLevel=1", *options]))
        yield
