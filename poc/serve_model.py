"""Serve fraud predictions whose features are read from Cassandra without Feast.

    python poc/serve_model.py
    curl -s localhost:8001/predict -H 'content-type: application/json' -d '{"transaction_id": "12345"}'

HOST and PORT say where to listen (127.0.0.1:8001), DIRECT_KEYSPACE where the table is; /docs on the
server shows every request.
"""

from poc.command_line import run
from poc.monitoring.state import open_state_reader
from poc.retrieval.direct_source import open_direct_source
from poc.serving.server import serve

PORT = 8001


def main() -> None:
    """Serve until told to stop."""
    serve(__doc__, open_direct_source, source_name="direct", default_port=PORT, open_state=open_state_reader)


if __name__ == "__main__":
    run(main)
