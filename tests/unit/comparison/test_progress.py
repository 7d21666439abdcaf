import threading

import pytest

from poc.comparison.progress import rounds_bar


def test_bar_has_no_thread_that_could_disturb_a_read() -> None:
    before = threading.active_count()
    with rounds_bar(3) as bar:
        bar.advance()
        assert threading.active_count() == before


def test_bar_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with rounds_bar(2) as bar:
        bar.say("Reading")
        bar.advance()
        bar.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert "Reading" in err
    assert "2/2" in err
