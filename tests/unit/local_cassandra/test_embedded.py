import os
import signal
import threading

import pytest

from poc.local_cassandra.embedded import SIGNALS, interruptible


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_interrupts(number: signal.Signals) -> None:
    # Under nohup one of them is ignored, and stays so.
    before = signal.signal(number, signal.SIG_DFL)
    try:
        with pytest.raises(KeyboardInterrupt), interruptible():
            os.kill(os.getpid(), number)
            pytest.fail("went on after the signal")
    finally:
        signal.signal(number, before)


def test_what_is_unbroken_is_finished_before_the_interruption() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), interruptible() as unbroken:
        with unbroken():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("this step")
        done.append("the next step")
    assert done == ["this step"]


def test_the_program_s_own_handlers_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with interruptible():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_another_thread_than_the_main_one_can_use_it() -> None:
    finished = []

    def use() -> None:
        with interruptible() as unbroken, unbroken():
            finished.append(True)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert finished == [True]


def test_a_signal_that_the_program_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
