import argparse
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from poc.command_line import parse_duration, parse_time, whole_number, whole_numbers

SCRIPTS = Path(__file__).parents[2] / "scripts"


def run_main(body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"from poc.command_line import *\nfrom poc.errors import *\ndef main():\n    {body}\nrun(main)"
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_success_is_status_0_and_its_line_on_standard_output() -> None:
    done = run_main("ok('It is so')")
    assert (done.returncode, done.stdout) == (0, "✓ It is so\n")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "ascii:strict"])
def test_letters_that_the_output_does_not_have_end_nothing(encoding: str) -> None:
    done = run_main("ok('It is so'); note('✗ not so')", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout) == (0, "\\u2713 It is so\n")
    assert done.stderr == "\\u2717 not so\n"


def test_status_of_main_is_passed_on() -> None:
    assert run_main("return 1").returncode == 1


def test_error_is_status_1_and_says_what_to_do() -> None:
    done = run_main("raise FeaturesNotApplied('v1')")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "✗ The feature registry has no feature service 'v1'",
        "  Apply the definitions: python scripts/feast_setup.py",
    ]


def test_wrong_settings_are_status_2() -> None:
    assert run_main("raise InvalidSettings(['PORT=x'])").returncode == 2


def test_ctrl_c_is_status_130() -> None:
    assert run_main("raise KeyboardInterrupt").returncode == 130


def test_reader_that_has_left_ends_the_script_without_a_word_and_not_with_success() -> None:
    program = "from poc.command_line import *\ndef main():\n    while True: print('line')\nrun(main)"
    piped = ["bash", "-c", f'"{sys.executable}" -c "$0" | head -n 1; echo "${{PIPESTATUS[0]}}"', program]
    done = subprocess.run(piped, capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("line\n141\n", "")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_output_ends_nothing_and_no_file_takes_its_number(tmp_path: Path, closed: str) -> None:
    program = (
        "from poc.command_line import *\ndef main():\n    ok('out'); note('err')\n"
        "    with open('file', 'wb') as file: file.write(b'%d' % file.fileno())\nrun(main)"
    )
    command = ["bash", "-c", f'"{sys.executable}" -c "$0" {closed}', program]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert int((tmp_path / "file").read_text()) > 2


def test_what_nobody_foresaw_is_two_lines_and_its_traceback_a_file() -> None:
    done = run_main("with doing('reading data/a.parquet'): 1 / 0")
    assert done.returncode == 1
    what, where = done.stderr.splitlines()
    assert what == "✗ While reading data/a.parquet: ZeroDivisionError: division by zero"
    file = re.fullmatch(r"  The traceback is in (.+); --debug shows it\.", where)
    assert file is not None
    path = Path(file[1])
    assert path.read_text().startswith("Traceback (most recent call last):")
    path.unlink()


def test_what_nobody_foresaw_is_told_where_nothing_can_be_written(tmp_path: Path) -> None:
    program = "from poc.command_line import *\nimport poc.model.tracking\ndef main(): 1 / 0\nrun(main)"
    command = ["bash", "-c", f'ulimit -f 0; exec "{sys.executable}" -c "$0"', program]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS.parent)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "✗ While -c: ZeroDivisionError: division by zero",
        "  --debug shows the traceback.",
    ]


def test_debug_shows_the_traceback_of_what_nobody_foresaw() -> None:
    done = run_main("sys.argv.append('--debug'); raise ZeroDivisionError")
    assert done.returncode == 1
    assert "Traceback (most recent call last):" in done.stderr
    assert done.stderr.splitlines()[-2:] == ["✗ While -c: ZeroDivisionError", "  The traceback is above."]


def test_colours_of_feast_stay_out_of_a_pipe() -> None:
    done = run_main("from feast.feature_store import Fore, Style; print(Style.BRIGHT + Fore.GREEN + 'said')")
    assert done.stdout == "said\n"


@pytest.mark.parametrize(("no_colour", "shown"), [("", "\x1b[32msaid"), ("1", "said")])
def test_colours_of_feast_are_shown_on_a_terminal_unless_no_color_is_set(no_colour: str, shown: str) -> None:
    program = (
        "from poc.command_line import run; from colorama import Fore; run(lambda: print(Fore.GREEN + 'said'))"
    )
    controller, terminal = os.openpty()
    subprocess.run(
        [sys.executable, "-c", program],
        stdout=terminal,
        stderr=terminal,
        env={**os.environ, "NO_COLOR": no_colour},
        check=True,
    )
    assert os.read(controller, 1000).decode() == f"{shown}\r\n"


WARNED = """import warnings; warnings.simplefilter('once'); warnings.warn('old', DeprecationWarning)"""


def test_warnings_of_other_packages_are_not_shown_though_they_ask_for_it() -> None:
    assert run_main(WARNED).stderr == ""


def test_warnings_are_shown_to_who_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    assert "DeprecationWarning: old" in run_main(WARNED).stderr


def test_scripts_are_there_before_feast_is_loaded() -> None:
    program = f"""
import pathlib, runpy, sys
for script in sorted(pathlib.Path({str(SCRIPTS)!r}).glob("*.py")):
    runpy.run_path(str(script))
    if "feast" in sys.modules:
        sys.exit(f"{{script.name}} imports Feast before it can say so")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_bar_is_not_shown_when_nothing_was_done() -> None:
    assert on_a_terminal("with progress_bar('Rows'): pass") == ""


def on_a_terminal(program: str) -> str:
    """Run a program of `progress_bar` whose standard error is a terminal; return what that shows."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    imported = "import threading, time; from poc.command_line import progress_bar\n"
    subprocess.run([sys.executable, "-c", imported + program], stderr=terminal, check=True)
    os.close(terminal)
    shown = b""
    with suppress(OSError):
        while part := os.read(controller, 1000):
            shown += part
    return shown.decode()


def test_bar_is_not_shown_in_a_pipe() -> None:
    assert run_main("\n    with progress_bar('Rows') as bar: bar.update(1)").stderr == ""


def test_bars_of_feast_stay_out_of_a_pipe() -> None:
    assert run_main("from tqdm import tqdm; list(tqdm([1]))").stderr == ""


def test_bar_counts_what_was_done() -> None:
    work = "bar.update(7_000); time.sleep(0.3); bar.update(1)"
    shown = on_a_terminal(f"with progress_bar('Rows') as bar: {work}")
    assert "Rows: 7001 [00:00" in shown


def test_bar_tells_of_how_many_and_what_is_going_on() -> None:
    work = "bar.set_description('Reading'); time.sleep(0.3); bar.update(); bar.update()"
    shown = on_a_terminal(f"with progress_bar('Opening', 2) as bar: {work}")
    assert "Reading:   0%" in shown
    assert "2/2" in shown


def test_bar_has_no_thread_that_could_disturb_a_read() -> None:
    on_a_terminal("with progress_bar('Rows') as bar: bar.update(); assert threading.active_count() == 1")


@pytest.mark.parametrize("text", ["2026-11-01T10:00:00", "2026-11-01T10:00:00Z", "2026-11-01T11:00:00+01:00"])
def test_time_without_zone_is_utc(text: str) -> None:
    assert parse_time(text) == datetime(2026, 11, 1, 10, tzinfo=timezone.utc)


def test_time_that_leaves_the_calendar_in_utc_is_a_usage_error() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'0001-01-01T00:00:00"):
        parse_time("0001-01-01T00:00:00+05:00")


def test_what_is_no_time_is_refused_with_one_that_is() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'yesterday' is no time such as 2026-"):
        parse_time("yesterday")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_length_of_time_is_a_number_and_its_unit(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "-1h", "1.5h", "2 h", "2w", "²h", "9999999d"])
def test_other_lengths_of_time_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text!r} is no whole number above 0"):
        parse_duration(text)


def test_numbers_are_taken_in_their_order_once() -> None:
    assert whole_numbers("100,10,100") == (100, 10)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "100000001"])
def test_what_is_no_whole_number_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text!r} is not a whole number"):
        whole_number(text)
