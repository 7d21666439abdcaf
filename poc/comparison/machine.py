"""What the numbers were measured on: when, machine and versions, without anything that names a host."""

import os
import platform
import subprocess
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from poc.online_store.session import Session, idempotent


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine as a reader of results wants to know it."""

    cpu: str
    cores: int
    memory_gib: int
    system: str


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions that take part in a read."""

    feast: str
    cassandra_driver: str
    cassandra: str
    python: str
    acsylla: str | None


def this_machine() -> Machine:
    """Describe the machine; `cores` are those that this process may use."""
    available = getattr(os, "sched_getaffinity", None)
    cores = len(available(0)) if available is not None else os.cpu_count()
    return Machine(
        cpu=_cpu_model(),
        cores=1 if cores is None else cores,
        memory_gib=round(psutil.virtual_memory().total / 2**30),
        system=f"{platform.system()} {platform.machine()}",
    )


def versions_of(session: Session) -> Versions:
    """Ask the installed packages, and the Cassandra that `session` is connected to."""
    cassandra = session.execute(idempotent("SELECT release_version FROM system.local")).one()
    return Versions(
        feast=version("feast"),
        cassandra_driver=version("cassandra-driver"),
        cassandra=cassandra.release_version,
        python=platform.python_version(),
        acsylla=version("acsylla") if find_spec("acsylla") is not None else None,
    )


def measured_on(session: Session | None, *packages: str) -> dict[str, Any]:
    """Describe the setting of a measurement that begins now: `session` and `packages` take part in it."""
    versions = {"python": platform.python_version()} if session is None else asdict(versions_of(session))
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": asdict(this_machine()),
        "versions": versions | {name.replace("-", "_"): version(name) for name in packages},
    }


def _cpu_model() -> str:
    linux = Path("/proc/cpuinfo")
    if linux.is_file():
        for line in linux.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        asked = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    return platform.processor() or platform.machine()
