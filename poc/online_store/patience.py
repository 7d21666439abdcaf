"""How cassandra-driver notices that a node is gone, and what it does meanwhile.

A killed node closes its connections, and whatever was under way on them is sent to another node at once.
A frozen one closes nothing: a heartbeat finds it, and until then a second node is asked for what is late.
"""

# The driver's default backs off to ten minutes: a node that is back was used again after 30 s only.
RECONNECTION_DELAY_SECONDS = 1.0
# Table option: how long a coordinator waits for a replica before it asks another one. Cassandra's own choice,
# the 99th percentile of the table's reads, grows while a replica is frozen.
SPECULATIVE_RETRY = "50ms"
# By default a frozen node is found out after a minute. Both together should stay below the time limits of
# statements that are asked once only: then these too go to another node instead of timing out. Much less
# would give up nodes that are only busy.
HEARTBEAT_SECONDS = 4
HEARTBEAT_TIMEOUT_SECONDS = 10
# Two: the second node may have come back a moment ago, and be slow.
MORE_NODES = 2
# How often a read that timed out is asked again: at the first time the node may not be known to be gone yet.
# The driver counts the nodes that it asks side by side together: all of them wait for the same dead one.
READS_AGAIN = 2 * (1 + MORE_NODES)
# The driver's 10 s were too short for three nodes on two busy cores: a read then met a node that did not
# know the table yet.
SCHEMA_AGREEMENT_SECONDS = 60.0
