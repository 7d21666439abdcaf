"""A real Apache Cassandra without Docker: its own jars on a Java that pip installed, on loopback addresses.

`start_embedded` and `stop_embedded` are all that other rooms need; `embedded_state` tells what runs.
"""

from poc.database.embedded.cluster import EmbeddedCassandra, EmbeddedNode
from poc.database.embedded.lifecycle import embedded_state, start_embedded, stop_embedded

__all__ = ["EmbeddedCassandra", "EmbeddedNode", "embedded_state", "start_embedded", "stop_embedded"]
