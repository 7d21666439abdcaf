"""Change the code a place at a time, and count how many of the changes the unit tests see; name the others.

    make mutants                               all rooms that pyproject.toml names for mutmut
    .mutants-venv/bin/mutmut show NAME         what a change is

A change in a function that no unit test calls is not tried: integration and contract tests are to see those.
Exit status 1 where fewer than 90 of 100 are seen. What was tried is not tried again until its function
changes: remove mutants/ to begin anew.
"""

import os
import re
import subprocess
import sysconfig
from collections import defaultdict
from pathlib import Path

from poc.command_line import argument_parser, fail, ok, run

MUTMUT, COPY = Path(".mutants-venv/bin/mutmut"), Path("mutants")
SEEN, UNSEEN = ("killed", "timeout", "segfault"), ("survived", "suspicious")
LEAST = 0.9


def main() -> int:
    argument_parser(__doc__).parse_args()
    subprocess.run(["scripts/install_apart.sh", "mutants"], check=True)
    # What is not there when Python starts is not looked into later.
    COPY.mkdir(exist_ok=True)
    packages = f"{COPY.resolve()}{os.pathsep}{sysconfig.get_path('purelib')}"
    subprocess.run([MUTMUT, "run"], env=os.environ | {"PYTHONPATH": packages}, check=True)
    listed = subprocess.run([MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True)
    rooms = defaultdict[str, list[bool]](list)
    for name, status in re.findall(r"^ +(\S+): (.+)$", listed.stdout, re.MULTILINE):
        if status in SEEN + UNSEEN:
            rooms[name.split(".")[1]].append(status in SEEN)
        if status in UNSEEN:
            print(f"{status}: {name}")
    for room, seen in rooms.items():
        enough = sum(seen) >= LEAST * len(seen)
        (ok if enough else fail)(f"poc/{room}: {sum(seen):,} of {len(seen):,} changes are seen")
    return int(any(sum(seen) < LEAST * len(seen) for seen in rooms.values()))


if __name__ == "__main__":
    run(main)
