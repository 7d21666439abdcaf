"""Serve fraud predictions whose features are read from a Feast feature server.

    feast -c feature_repo serve
    python poc/serve_model_remote.py
    curl -s localhost:8002/predict -H 'content-type: application/json' -d '{"transaction_id": "12345"}'

FEATURE_SERVER_URL says where the feature server is (http://localhost:6566), HOST and PORT where to
listen (127.0.0.1:8002); /docs on the server shows every request.
"""

from poc.command_line import run
from poc.retrieval.feature_server_source import open_feature_server_source
from poc.serving.server import serve

PORT = 8002


def main() -> None:
    """Serve until told to stop."""
    serve(__doc__, open_feature_server_source, source_name="feature-server", default_port=PORT)


if __name__ == "__main__":
    run(main)
