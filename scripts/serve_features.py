"""Serve features over HTTP, by Feast's own feature server, to whoever may read them.

    python scripts/serve_features.py
    API_KEYS=... HOST=0.0.0.0 python scripts/serve_features.py

Of what `feast serve` answers it has /get-online-features and /health, and nothing that writes. HOST and PORT
say where it listens (127.0.0.1:6566), API_KEYS who may ask; FEATURE_SERVER_URL=http://key:<a key>@<host>:6566
lets poc/serve_model_remote.py ask it.
"""

from poc.command_line import argument_parser, note, run
from poc.settings import load_settings

PORT = 6566


def main() -> None:
    argument_parser(__doc__).parse_args()
    settings = load_settings()
    note("Loading Feast ...")
    from poc.serving.server import serve_features

    serve_features(settings, PORT)


if __name__ == "__main__":
    run(main)
