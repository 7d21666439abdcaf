"""What was broken on purpose, what was expected and what was seen: collected while the tests run.

A test marked `fault(area, what, expected)` is one try of a line of docs/reliability.md, and tells what it saw
with the fixture `seen`. `make faults` runs those tests; this rewrites what is between the page's two marks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pytest

from poc.output import markdown_table

BEGIN, END = "<!-- begin: make faults -->\n", "<!-- end: make faults -->\n"
COLUMNS = ("what breaks", "expected", "seen", "tries")
Seen = Callable[[str, "int | float", str], None]


@dataclass
class Fault:
    """A line: its tries, how many failed, and what they saw: by name, the values and their unit."""

    area: str
    what: str
    expected: str
    tries: int = 0
    failed: int = 0
    seen: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    @property
    def cells(self) -> tuple[str, ...]:
        """The line of the table."""
        figures = [figure(name, unit, values) for (name, unit), values in self.seen.items()]
        outcome = "✓ as expected" if not self.failed else f"✗ {self.failed} of {self.tries} failed"
        return self.what, self.expected, "; ".join([outcome, *figures]), str(self.tries)


def figure(name: str, unit: str, values: list[float]) -> str:
    """Say what several tries saw: of numbers of things the sum, of anything else the least and the most."""
    if not unit:
        return f"{name}: {sum(values):,.0f}"
    least, most = f"{min(values):.3g}", f"{max(values):.3g}"
    return f"{name}: {least} {unit}" if least == most else f"{name}: {least} to {most} {unit}"


class FaultReport:
    """A pytest plugin that writes `page`."""

    def __init__(self, page: Path) -> None:
        self._page = page
        self._faults: dict[tuple[str, ...], Fault] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the outcome of a test, or of what it needs."""
        if report.when != "call" and not report.failed:
            return
        stated = dict[str, list[tuple[str, ...]]]()
        for name, value in report.user_properties:
            stated.setdefault(name, []).append(tuple(value))  # type: ignore[arg-type]
        for words in stated.get("fault", []):
            fault = self._faults.setdefault(words, Fault(*words))
            fault.tries += 1
            fault.failed += report.failed
            for name, value, unit in stated.get("seen", []):
                fault.seen.setdefault((name, unit), []).append(float(value))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the page, unless the run was stopped before its end."""
        if self._faults and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            before, _, rest = self._page.read_text().partition(BEGIN)
            _, _, after = rest.partition(END)
            self._page.write_text(f"{before}{BEGIN}{written(self._faults.values())}{END}{after}")


def written(faults: Iterable[Fault]) -> str:
    """Return the sums and a table for each area."""
    faults = list(faults)
    tries, failed = sum(fault.tries for fault in faults), sum(fault.failed for fault in faults)
    sums = dict[str, float]()
    for fault in faults:
        for (name, unit), values in fault.seen.items():
            if not unit:
                sums[name] = sums.get(name, 0) + sum(values)
    lines = [
        f"Run on {datetime.now(timezone.utc):%Y-%m-%d}: {len(faults)} ways to break it in {tries} tries;"
        f" {tries - failed} went as expected, {failed} did not.",
        "",
        *(f"- {name}: {total:,.0f}" for name, total in sums.items()),
    ]
    for area in dict.fromkeys(fault.area for fault in faults):
        rows = [fault.cells for fault in faults if fault.area == area]
        lines += ["", f"## {area}", "", markdown_table(COLUMNS, rows)]
    return "\n".join(["", *lines, ""])


def note_faults(items: Iterable[pytest.Item]) -> None:
    """Let each report of a marked test carry what its mark says."""
    for item in items:
        for mark in item.iter_markers("fault"):
            item.user_properties.append(("fault", mark.args))
