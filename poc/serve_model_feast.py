"""Serve fraud predictions whose features are read through Feast.

    python poc/serve_model_feast.py
    curl -s localhost:8000/predict -H 'content-type: application/json' -d '{"transaction_id": "12345"}'

HOST and PORT say where to listen (127.0.0.1:8000), FEAST_REPO_PATH and FEAST_FS_YAML_FILE_PATH which
feature repository to read; /docs on the server shows every request.
"""

from poc.command_line import run
from poc.monitoring.state import open_state_reader
from poc.retrieval.feast_source import open_feast_source
from poc.serving.server import serve

PORT = 8000


def main() -> None:
    """Serve until told to stop."""
    serve(__doc__, open_feast_source, source_name="feast", default_port=PORT, open_state=open_state_reader)


if __name__ == "__main__":
    run(main)
