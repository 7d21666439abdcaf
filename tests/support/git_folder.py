"""A folder under git."""

import subprocess
from pathlib import Path

WHO = ("-c", "user.name=a", "-c", "user.email=a@example.com")


def begin_history(folder: Path) -> str:
    """Make a repository of `folder`, with one commit of nothing; return its id."""
    for command in (["init", "--quiet"], [*WHO, "commit", "--quiet", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=folder, text=True).strip()
