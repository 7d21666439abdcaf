"""Which of two handlers the feature server of `scripts/serve_features.py` reads by."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = """
project: poc
provider: poc.online_store.provider.ResolvingProvider
registry: registry.db
online_store: {type: sqlite, path: online.db}
offline_store: {type: file}
entity_key_serialization_version: 2
"""
# A process of its own: here Feast may know the provider already.
SERVE = """
import sys
from pathlib import Path
import uvicorn
from poc.serving.server import serve_features
from poc.settings import Settings

def run(server, sockets):
    sockets[0].close()
    first = next(r for r in server.config.app.routes if r.path == "/get-online-features")
    print("by", getattr(first.endpoint, "func", first.endpoint).__module__)

uvicorn.Server.run = run
settings = Settings(_env_file=None, feast_repo_path=Path(sys.argv[1]))
serve_features(settings, 0)
"""


def test_reads_are_awaited_by_the_provider_and_do_not_go_through_feasts_thread(tmp_path: Path) -> None:
    (tmp_path / "feature_store.yaml").write_text(REPOSITORY)
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "by poc.online_store.provider" in ended.stdout, ended.stdout + ended.stderr
