import os
import platform

from poc.comparison.machine import this_machine


def test_machine_is_described_by_what_does_not_name_it() -> None:
    machine = this_machine()
    assert machine.cpu
    assert 1 <= machine.cores <= (os.cpu_count() or 1)
    assert machine.memory_gib >= 1
    assert platform.node() not in f"{machine.cpu} {machine.system}"
