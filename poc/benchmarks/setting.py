"""What every result says of itself: when, on which machine, with which versions."""

import platform
from dataclasses import asdict
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from poc.comparison.machine import this_machine, versions_of
from poc.online_store.session import Session


def measured_on(session: Session | None, *packages: str) -> dict[str, Any]:
    """Describe the setting of a measurement that begins now.

    Args:
        session: to the Cassandra that takes part, if one does.
        packages: further distributions that take part.
    """
    versions = {"python": platform.python_version()} if session is None else asdict(versions_of(session))
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": asdict(this_machine()),
        "versions": versions | {name.replace("-", "_"): version(name) for name in packages},
    }
