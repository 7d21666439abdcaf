"""Schemathesis on a running server: requests that fit its OpenAPI document, and requests that do not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

# Of each operation and kind of request; thousands, by this variable, take hours.
EXAMPLES = os.environ.get("API_EXAMPLES", "10")
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


def require_conformance(url: str, **headers: str) -> int:
    """Fail with what was asked and answered unless all checks hold for each of many requests to `url`.

    Returns how many there were.
    """
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION)]
    command += ["run", f"{url}/openapi.json", "--checks", "all", "--phases", "examples,coverage,fuzzing"]
    command += ["--max-examples", EXAMPLES, "--seed", "1", "--no-color"]
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    with TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command += ["--report", "json", "--report-json-path", str(report)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return int(json.loads(report.read_text())["test_cases"]["generated"])
