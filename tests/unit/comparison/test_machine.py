import os
import platform

from poc.comparison.machine import this_machine


def test_machine_is_described_by_processor_and_cores_alone() -> None:
    machine = this_machine()
    assert machine.cpu
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert platform.node() not in machine.cpu
