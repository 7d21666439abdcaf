"""Every shell and Python block of the project's own documents is run, in its document's order."""

import re
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from ports import free_port
from warm_python import warm_programs

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]
    if path.name != "guide.md" and "```" in path.read_text()
)
# What only shows output, a configuration or a drawing needs no copy of the project.
RUN = [name for name in DOCUMENTS if re.search("^```(bash|python)$", (ROOT / name).read_text(), re.MULTILINE)]
# A command that serves until it is stopped, and where it answers.
SERVERS = {
    "make serve": "http://localhost:8000/ready",
    "python poc/serve_model_feast.py": "http://localhost:8000/ready",
    "python poc/serve_model.py": "http://localhost:8001/ready",
    "python poc/serve_model_remote.py": "http://localhost:8002/ready",
    "feast -c feature_repo serve": "http://localhost:6566/health",
    "make monitor": "http://localhost:9090/-/ready",
}


def in_place(text: str) -> str:
    """Have `make` find the copy's own code, so that it does not install the copy into this environment.

    And what mypy knows from before: in a copy it would read every package anew.
    """
    own = f"env PYTHONPATH=\"$PWD\" MYPY_CACHE_DIR='{ROOT}/.mypy_cache' make "
    return re.sub("^make ", lambda _: own, text, flags=re.MULTILINE)


def run_block(block: Any, workplace: Any, running: ExitStack) -> None:
    command = block.text.strip()
    if block.language == "python":
        workplace.python(block.text)
    elif command in SERVERS:
        running.enter_context(workplace.server(in_place(command), SERVERS[command]))
    else:
        # `-e .` of the copy would point this environment at the copy.
        activate = f". '{sys.prefix}/bin/activate'; PATH='{warm_programs()}':\"$PATH\""
        activated = block.text.replace(". .venv/bin/activate", activate)
        text = re.sub(r"^pip install -r .*", rf"(cd '{ROOT}' && \g<0>)", activated, flags=re.MULTILINE)
        if "--stop" in text:
            # The session's Cassandra is not this copy's to stop: it starts and stops one of its own.
            text = f"export CASSANDRA_PORT={free_port()}\n{text}\npython scripts/start_cassandra.py --stop"
        workplace.shell(in_place(text.replace("curl ", "curl --fail-with-body -sS ")), timeout=900)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("document", RUN)
def test_blocks_of_the_document_run(
    document: str, blocks_of: Callable[[Path], list[Any]], workplace: Any
) -> None:
    blocks = [block for block in blocks_of(ROOT / document) if block.language in ("bash", "python")]
    with ExitStack() as running:
        for block in blocks:
            run_block(block, workplace, running)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_blocks_name_their_language(document: str, blocks_of: Callable[[Path], list[Any]]) -> None:
    known = {"bash", "python", "text", "yaml", "json", "promql", "mermaid"}
    assert [block.name for block in blocks_of(ROOT / document) if block.language not in known] == []
