"""Each step of the guide killed at any moment, or ended by Ctrl-C: the same command then does it all."""

import os
import random
import signal
import subprocess
import time
from typing import Any

import pytest
from fault_report import Seen

TRIES = int(os.environ.get("KILLS", "1"))
COMMANDS = {
    "setup": "python scripts/feast_setup.py",
    "apply": "feast -c feature_repo apply",
    "materialize": "python scripts/feast_materialize.py",
    "full run": "python scripts/feast_materialize.py --full --replace",
    "train": "python poc/train_fraud_model.py",
}


@pytest.fixture(scope="module")
def durations(workplace: Any) -> dict[str, float]:
    """How long each command takes when nobody interrupts it."""
    taken = {}
    for name, command in COMMANDS.items():
        started = time.monotonic()
        workplace.shell(command)
        taken[name] = time.monotonic() - started
    return taken


@pytest.mark.parametrize("number", range(TRIES))
@pytest.mark.parametrize(
    ("name", "sent"),
    # What interrupts `feast apply` is Feast's own to answer.
    [
        (name, sent)
        for name in COMMANDS
        for sent in ("SIGKILL", "SIGINT")
        if (name, sent) != ("apply", "SIGINT")
    ],
)
@pytest.mark.fault(
    "Processes",
    "kill -9 and Ctrl-C at any moment of setup, apply, materialize and train",
    "no traceback; the same command completes, and what is served is whole",
)
def test_interrupted_step_is_completed_by_the_same_command(
    workplace: Any, durations: dict[str, float], name: str, sent: str, number: int, seen: Seen
) -> None:
    process = subprocess.Popen(
        ["bash", "-c", f"exec {COMMANDS[name]}"],
        cwd=workplace.folder,
        env=workplace.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(random.uniform(0.05, durations[name]))
    process.send_signal(signal.Signals[sent])
    said, _ = process.communicate(timeout=60)
    if sent == "SIGINT":
        assert "Traceback" not in said
        assert process.returncode in (0, 130), said
    workplace.shell(COMMANDS[name])
    tested = workplace.shell("python scripts/test_feast.py")
    assert tested.stdout.count("✓ Transaction") == 5
    workplace.shell("python scripts/check_consistency.py")
    seen("interrupted", 1, "")
