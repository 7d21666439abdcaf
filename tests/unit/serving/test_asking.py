"""A server that does not answer, as who waits for it is told; what answers is in test_poc_script.py."""

import os
import subprocess

import pytest
from ports import free_port

from poc.errors import PredictionRefused, ServerNotReady
from poc.serving.asking import OwnServer
from poc.settings import Settings


@pytest.fixture
def nobody() -> OwnServer:
    return OwnServer(Settings(_env_file=None), free_port())


def test_server_that_is_not_ready_in_time_is_told_with_what_it_says(nobody: OwnServer) -> None:
    with pytest.raises(ServerNotReady, match=r"did not become ready: after 0 s it says: .*refused"):
        nobody.wait_until_ready(os.getpid(), seconds=0)


def test_server_whose_process_has_ended_is_not_waited_for(nobody: OwnServer) -> None:
    ended = subprocess.Popen(["true"])
    # Nobody has asked how it ended: to the system it is still there.
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(ServerNotReady, match="its process has ended"):
        nobody.wait_until_ready(ended.pid)
    ended.wait()
    with pytest.raises(ServerNotReady, match="its process has ended"):
        nobody.wait_until_ready(ended.pid)


def test_server_that_is_gone_gives_no_prediction(nobody: OwnServer) -> None:
    with pytest.raises(PredictionRefused, match=r"/predict gave no prediction: .*refused"):
        nobody.predict("{}")
