from poc.measurement.cluster import Operation
from poc.measurement.drill import Outcome, Phase, drill_table, first_errors

GOOD = Operation(10.0, 0.002, None)
LATE = Operation(13.5, 1.0, TimeoutError("no answer"))
OUTCOME = Outcome(
    (Phase("three nodes", (GOOD,), (GOOD,)), Phase("one frozen", (GOOD, LATE), ())), 1, (), 2, 0
)


def test_each_state_has_its_line_with_what_failed_in_it() -> None:
    assert drill_table(OUTCOME).splitlines()[2:] == [
        "| three nodes | 1 | 0 | 2.0 ms | 2.0 ms | 2.0 ms | 1 | 0 | 2.0 ms |",
        "| one frozen | 2 | 1 | 2.0 ms | 1000.0 ms | 1000.0 ms | 0 | 0 | - |",
    ]


def test_reads_and_writes_have_headings_of_their_own() -> None:
    heading, *_ = drill_table(OUTCOME).splitlines()
    assert heading == "| state | reads | failed | p50 | p99 | longest | writes | not acknowledged | p99 |"


def test_of_many_reads_the_99th_of_a_hundred_is_told_beside_the_slowest() -> None:
    many = tuple(Operation(0.0, number / 1000, None) for number in range(1, 201))
    [line] = drill_table(Outcome((Phase("all", many, many),), 1, (), 2, 0)).splitlines()[2:]
    assert line == "| all | 200 | 0 | 100.0 ms | 198.0 ms | 200.0 ms | 200 | 0 | 198.0 ms |"


def test_three_errors_are_enough() -> None:
    outcome = Outcome((Phase("one frozen", (LATE,) * 9, ()),), 1, (), 2, 0)
    assert len(first_errors(outcome)) == 3


def test_failed_reads_are_counted_over_all_states() -> None:
    assert (OUTCOME.reads, OUTCOME.failed_reads, OUTCOME.refused_writes) == (3, [LATE], [])


def test_an_error_says_when_and_why() -> None:
    assert first_errors(OUTCOME) == ["3.5 s: TimeoutError: no answer"]
