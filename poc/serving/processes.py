"""CPU, memory and open files of a server's processes, where it has several: each by its process id.

prometheus_client leaves them out then, for they are no sum; but a worker that grows must be seen.
"""

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from prometheus_client import ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_SUFFIX = ".worker"


def note_worker(folder: Path) -> None:
    """Note in `folder`, which the workers share, that this process is one of them."""
    (folder / f"{os.getpid()}{_SUFFIX}").touch()


def forget_worker(folder: Path, pid: int) -> None:
    """Note that the worker `pid` has ended."""
    (folder / f"{pid}{_SUFFIX}").unlink(missing_ok=True)


class WorkerProcesses(Collector):
    """The processes noted in `folder`, with a label `pid` each. Linux only, as prometheus_client's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        """Name no family: which there are, the system says."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Give prometheus_client's families, each with a sample a worker."""
        families: dict[str, Metric] = {}
        for file in sorted(self._folder.glob(f"*{_SUFFIX}")):
            pid = file.stem
            for found in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                for sample in found.samples:
                    family.add_sample(sample.name, {**sample.labels, "pid": pid}, sample.value)
        return families.values()
