"""The drill's outcome as a table."""

from poc.faults.drill import Outcome, Phase
from poc.faults.load import percentile_ms

HEADER = (
    "| state | reads | failed | p50 | p99 | longest | writes | not acknowledged | p99 |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def drill_table(outcome: Outcome) -> str:
    """Give one line a state: how many reads and writes, how many failed, how long they took."""
    return "\n".join([HEADER, *map(_line, outcome.phases)])


def first_errors(outcome: Outcome, most: int = 3) -> list[str]:
    """Say of some failed reads when they failed, in seconds after the first read, and why."""
    begin = min(read.began for phase in outcome.phases for read in phase.reads)
    return [
        f"{read.began - begin:.1f} s: {type(read.error).__name__}: {read.error}"
        for read in outcome.failed_reads[:most]
    ]


def _line(phase: Phase) -> str:
    reads, writes = phase.reads, phase.writes
    cells = (
        phase.name,
        f"{len(reads):,}",
        f"{sum(read.error is not None for read in reads):,}",
        _ms(percentile_ms(reads, 50)),
        _ms(percentile_ms(reads, 99)),
        _ms(percentile_ms(reads, 100)),
        f"{len(writes):,}",
        f"{sum(write.error is not None for write in writes):,}",
        _ms(percentile_ms(writes, 99)),
    )
    return f"| {' | '.join(cells)} |"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} ms"
