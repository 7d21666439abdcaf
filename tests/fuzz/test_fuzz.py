"""What nobody thought of: mutations of good input, kept where they lead the code somewhere new."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from fault_report import Seen
from own_environment import own_environment
from served_project import served_project
from stored_features import Row, environment

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings

# Where it has wheels; elsewhere the summary of pytest says that these were not run.
pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info < (3, 11),
    reason="atheris is for Python 3.11 or later on Linux",
)
ROOT = Path(__file__).parents[2]
# Of each target; minutes, by this variable, find more.
SECONDS = int(os.environ.get("FUZZ_SECONDS", "5"))
HANGS_SECONDS, MOST_MEMORY_MB = 240, 2048
HEAD = "transaction_id,amount,transaction_hour,merchant_category,foreign_transaction,location_mismatch"
CSV = f"{HEAD},device_trust_score,velocity_last_24h,cardholder_age,is_fraud\n1,2.5,3,Food,0,1,50,2,40,0\n"
TENSOR = '{"name": "transaction_id", "shape": [1], "datatype": "BYTES", "data": ["1"]}'
REQUESTS = (
    'POST /predict\ncontent-type: application/json\n\n{"transaction_id": "1"}',
    'POST /predict/batch\ncontent-type: application/json\n\n{"transaction_ids": ["1", "2"]}',
    'POST /predict?explain=true\ncontent-type: application/json\n\n{"transaction_id": "1"}',
    "POST /v2/models/fraud-detection/infer\ncontent-type: application/json\n\n" + f'{{"inputs": [{TENSOR}]}}',
    "GET /metrics\naccept: text/plain\n\n",
    "GET /ready\nx-forwarded-prefix: /fraud\norigin: http://localhost\n\n",
    "GET /console\nauthorization: Basic Og==\n\n",
)


@pytest.fixture
def fuzz(tmp_path: Path, seen: Seen) -> Callable[..., None]:
    """Feeds a target mutations of examples; fails with what it printed and the input that it stopped at."""

    def run(target: str, *examples: str, **variables: str) -> None:
        folder = tmp_path / "examples"
        folder.mkdir()
        for number, example in enumerate(examples):
            (folder / str(number)).write_text(example)
        words = {word for example in examples for word in re.findall(r"[\w./-]{2,}", example)}
        dictionary = tmp_path / "words"
        dictionary.write_text("".join(f'"{word}"\n' for word in sorted(words)))
        stopped_at = tmp_path / "input"
        options = {
            "max_total_time": SECONDS,
            # In CI the same inputs each time; whoever asks for more seconds wants new ones.
            "seed": 0 if "FUZZ_SECONDS" in os.environ else 1,
            # Its alarm, at half of this, has ended the process without a word: `timeout` below is ours.
            "timeout": 2 * (SECONDS + HANGS_SECONDS),
            "rss_limit_mb": MOST_MEMORY_MB,
            "dict": dictionary,
            "exact_artifact_path": stopped_at,
        }
        done = subprocess.run(
            [sys.executable, ROOT / "tests/fuzz/targets.py", target]
            + [f"-{name}={value}" for name, value in options.items()]
            + [folder],
            cwd=tmp_path,
            # It ends without tidying up.
            env=own_environment()
            | {"FEAST_REPO_PATH": str(ROOT / "feature_repo"), "TMPDIR": str(tmp_path)}
            | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS + HANGS_SECONDS,
        )
        said = (done.stdout + done.stderr)[-9000:]
        assert done.returncode == 0, f"{said}\n{stopped_at.read_bytes() if stopped_at.exists() else ''!r}"
        tried = re.search(r"Done (\d+) runs", said)
        assert tried is not None, said
        seen("inputs tried", int(tried[1]), "")

    return run


@pytest.mark.fault("Data", "mutations of a person's CSV (atheris)", "refused in words, no hang, no leak")
def test_no_csv_is_refused_otherwise_than_in_words(fuzz: Callable[..., None]) -> None:
    fuzz("csv", CSV)


@pytest.mark.fault(
    "Definitions", "mutations of a feature_store.yaml (atheris)", "refused in words, no hang, no leak"
)
def test_no_yaml_is_refused_otherwise_than_in_words(fuzz: Callable[..., None]) -> None:
    yamls = [ROOT / "feature_repo/feature_store.yaml", *(ROOT / "feature_repo/stores").glob("*.yaml")]
    fuzz("yaml", *(path.read_text() for path in yamls))


@pytest.mark.fault("Requests", "mutations of requests (atheris)", "never 500, no hang, no leak")
def test_no_request_is_answered_with_500(
    fuzz: Callable[..., None], tmp_path: Path, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> None:
    row = Row("1", {"amount": 150.0}, datetime.now(timezone.utc))
    with served_project(tmp_path / "project", cassandra, definitions, [row]) as settings:
        fuzz("requests", *REQUESTS, **environment(settings))
