"""Change the code a place at a time, and count how many of the changes the tests see; name the others.

    make mutants                                            a drawn sample
    python scripts/try_mutants.py --sample 2000 --seed 7    more of them, others
    .mutants-venv/bin/mutmut show NAME                      what one is

Which rooms are changed, and by which tests they are held, pyproject.toml says for mutmut. The tests run on a
Cassandra that is started for it. Exit status 1 where fewer than 90 of 100 are seen.
"""

import os
import random
import re
import socket
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from poc.arguments import whole_number
from poc.command_line import argument_parser, fail, ok, run
from poc.local_cassandra.embedded import start_embedded, stop_embedded

MUTMUT, COPY = Path(".mutants-venv/bin/mutmut"), Path("mutants")
SEEN = ("killed", "timeout", "segfault")
LEAST = 0.9
# Whatever is asked for first, mutmut makes all changes, and finds out which tests come by which function.
FIRST = "poc.materialization.window.x_in_words__mutmut_1"


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("--sample", type=whole_number, default=300, metavar="N", help="changes to try; 300")
    parser.add_argument("--seed", type=whole_number, default=1, metavar="N", help="which are drawn; 1")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        try:
            start_embedded(Path(folder), port, heap_mb=1024)
            mutmut("run", FIRST, cassandra_port=port)
            names = random.Random(wanted.seed).sample(sorted(statuses()), wanted.sample)
            mutmut("run", *names, cassandra_port=port)
        finally:
            stop_embedded(Path(folder))
    found = statuses()
    for name in sorted(names):
        if found[name] not in SEEN:
            print(f"{found[name]}: {name}")
    seen = sum(found[name] in SEEN for name in names)
    enough = seen >= LEAST * len(names)
    (ok if enough else fail)(f"{seen} of {len(names)} changes are seen, of {len(found):,} that can be made")
    return int(not enough)


def mutmut(*arguments: str, cassandra_port: int) -> None:
    """Run it, with the packages of this environment, on its copy of the project."""
    COPY.mkdir(exist_ok=True)
    packages = f"{COPY.resolve()}{os.pathsep}{sysconfig.get_path('purelib')}"
    own = {"PYTHONPATH": packages, "TEST_CASSANDRA": f"127.0.0.1:{cassandra_port}"}
    subprocess.run([MUTMUT, *arguments], env=os.environ | own, check=True)


def statuses() -> dict[str, str]:
    """Return what became of each change, by its name."""
    listed = subprocess.run([MUTMUT, "results", "--all", "true"], capture_output=True, text=True, check=True)
    return dict(re.findall(r"^ +(\S+): (.+)$", listed.stdout, re.MULTILINE))


if __name__ == "__main__":
    run(main)
