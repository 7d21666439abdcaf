"""One materialization in a process of its own, so that its peak memory is its own.

    python -m poc.benchmarks.one_materialization START END

Reads its settings from the environment like every script; prints one JSON object on standard output.
"""

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import redirect_stdout
from datetime import datetime, timedelta, timezone
from pathlib import Path

from poc.command_line import hide_bars_of_others, parse_time, run
from poc.errors import BenchmarkFailed, OnlineValuesDiffer
from poc.settings import load_settings

Process = subprocess.Popen[bytes]

SAMPLES = 20
# Nothing of the caller's may name another place than the repository's yaml.
_OWN_VARIABLES = ("CASSANDRA_HOSTS", "CASSANDRA_PORT", "FEAST_FS_YAML_FILE_PATH", "FEAST_REPO_PATH")


def start_materialization(repo: Path, folder: Path) -> Process:
    """Start to materialize all records of this month that the repository's sources have below `folder`."""
    now = datetime.now(timezone.utc)
    interval = (now - timedelta(days=30), now + timedelta(days=1))
    environment = {key: value for key, value in os.environ.items() if key not in _OWN_VARIABLES}
    environment["FEAST_REPO_PATH"] = str(repo.resolve())
    command = [sys.executable, "-m", __name__, *(moment.isoformat() for moment in interval)]
    with (repo / "output").open("w") as output, (repo / "errors").open("w") as errors:
        return Process(command, cwd=folder, env=environment, stdout=output, stderr=errors)


def materialize(what: str, repo: Path, folder: Path) -> dict[str, float]:
    """Do so to the end; return what it printed, or raise as `outcome` does."""
    with start_materialization(repo, folder) as process:
        return outcome(what, process, repo)


def outcome(what: str, process: Process, repo: Path) -> dict[str, float]:
    """Wait for the end of a materialization, and read what it printed.

    Raises:
        BenchmarkFailed: it did not end well; `what` names it.
    """
    if process.wait() != 0:
        raise BenchmarkFailed(what, (repo / "errors").read_text())
    found: dict[str, float] = json.loads((repo / "output").read_text().splitlines()[-1])
    return found


def main() -> None:
    """Apply the definitions, materialize, and read some of it back."""
    start, end = (parse_time(text) for text in sys.argv[1:3])
    hide_bars_of_others()
    settings = load_settings()
    from poc.dataset.stored import sample_keys
    from poc.definitions import applied_service
    from poc.feature_store import apply_definitions, open_feature_store
    from poc.materialization.verification import check_entities

    apply_definitions(settings)
    store = open_feature_store(settings)
    served = applied_service(store, settings.feature_service)
    before_mib = peak_mib()
    began = time.perf_counter()
    with redirect_stdout(sys.stderr):
        store.materialize(start, end)
    seconds = time.perf_counter() - began
    peak = peak_mib()
    checks = check_entities(store, served, sample_keys(served, SAMPLES))
    wrong = [str(difference) for check in checks for difference in check.differences]
    if wrong:
        raise OnlineValuesDiffer(wrong)
    print(json.dumps({"seconds": seconds, "peak_mib": peak, "before_mib": before_mib}))


def peak_mib() -> float:
    """Return the most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux's ru_maxrss begins with what the process that started this one held.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    run(main)
