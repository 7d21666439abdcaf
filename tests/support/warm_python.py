"""`python` and `feast` for the tests' shells, which spare each command the seconds of importing Feast.

They are put before the real ones on PATH. A command that runs a script of the project, or Feast's own, is run
in a fork of one process that has imported Feast; it gets the command's arguments, environment, folder, umask
and open files, and its exit status is the command's. So is a prediction server of one process. Everything
else is the real program's: Feast's servers, several workers, `-c`, `-m`, limited resources. That the real
ones do the same is shown where the guide is typed with them.
"""

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_IMPORTED = (
    "feast, feast.cli, feast.repo_operations, matplotlib.pyplot, sklearn.ensemble, skl2onnx, mlflow,"
    " poc.measurement.comparison, poc.quality.validation, poc.quality.consistency, poc.model.training,"
    " poc.retrieval.direct_source, poc.retrieval.feast_source, poc.pages.registry"
)
_AT_START = ("PYTHON", "LD_", "CLOCK_", "LC_", "LANG", "TZ", "TMPDIR", "MPL", "OMP_", "MALLOC_")

# What stands in for a program: it hands its command over, and passes on signals and the exit status.
_COMMAND = """#!{python} -SEs
import os, signal
# Ended before there is a child to hand it to; one that is there by then is killed, for nobody waits for it.
signal.signal(signal.SIGINT, lambda *_: os._exit(130))
import resource, socket, sys
real, arguments = {real!r}, sys.argv[1:]
script = arguments[0] if arguments else ""
of_project = script.startswith(("scripts/", {root!r} + "/scripts/"))
alone = not {{"WORKERS", "PROMETHEUS_MULTIPROC_DIR"}} & set(os.environ)
server = alone and "poc/serve_model" in script
warm = of_project or server or script.endswith("poc/train_fraud_model.py") if {is_python} else True
named = {{os.path.basename(text) for text in arguments}}
left = {{"serve", "ui", "-h", "--help", "start_monitoring.py", "feast_ui.py", "start_cassandra.py",
        "take_screenshots.py", "check_spark.py"}}
limits = [resource.getrlimit(kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE)]
# What an interpreter looks at when it starts, and not again.
other = {{name: text for name, text in os.environ.items() if name.startswith({at_start!r})}} != {started!r}
if (
    not warm or other or named & left
    or any(limit[0] != resource.RLIM_INFINITY for limit in limits)
):
    os.execv(real, [real, *arguments])
umask = os.umask(0)
os.umask(umask)
asked = {{"command": arguments if {is_python} else [real, *arguments], "folder": os.getcwd(), "umask": umask,
         "environment": dict(os.environ)}}
forking = socket.socket(socket.AF_UNIX)
try:
    forking.connect({socket!r})
except OSError:
    os.execv(real, [real, *arguments])
content = repr(asked).encode()
socket.send_fds(forking, [len(content).to_bytes(8, "big")], [0, 1, 2])
forking.sendall(content)
answer = forking.makefile("r")
child = int(answer.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(child, number))
status = int(answer.readline() or 1)
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""

# What forks. One thread, so that a fork is whole.
_SERVER = """
import ast, os, runpy, selectors, signal, socket, sys, traceback
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
import {imported}
listener.listen(64)
open(sys.argv[1] + ".ready", "w").close()
signal.signal(signal.SIGINT, signal.default_int_handler)
woken, wakes = os.pipe()
os.set_blocking(wakes, False)
signal.set_wakeup_fd(wakes)
signal.signal(signal.SIGCHLD, lambda *_: None)
events = selectors.DefaultSelector()
events.register(listener, selectors.EVENT_READ)
events.register(woken, selectors.EVENT_READ)
children = {{}}

class Killed(Exception):
    "Whoever asked was killed before all was said."

def received(asker):
    try:
        head, files, _, _ = socket.recv_fds(asker, 8, 3)
        left, content = int.from_bytes(head, "big"), b""
        while left and (part := asker.recv(left)):
            content += part
            left -= len(part)
    except ConnectionError as broken:
        raise Killed from broken
    if left or not content:
        for file in files:
            os.close(file)
        raise Killed
    return ast.literal_eval(content.decode()), files

def answer(asker, number):
    try:
        asker.sendall(b"%d\\n" % number)
    except OSError:
        pass

def run(asked, files):
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    os.setpgid(0, 0)
    for place, file in enumerate(files):
        os.dup2(file, place)
    os.closerange(3, 4096)
    os.umask(asked["umask"])
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv = asked["command"]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
    status = 1
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
        if isinstance(left.code, str):
            print(left.code, file=sys.stderr)
    except KeyboardInterrupt:
        status = 130
    except BaseException:
        traceback.print_exc()
    for file in (sys.stdout, sys.stderr):
        try:
            file.flush()
        except OSError:
            pass
    os._exit(status)

while True:
    for key, _ in events.select():
        if key.fileobj is listener:
            asker, _ = listener.accept()
            try:
                asked, files = received(asker)
            except Killed:
                asker.close()
                continue
            child = os.fork()
            if child == 0:
                run(asked, files)
            for file in files:
                os.close(file)
            children[child] = asker
            events.register(asker, selectors.EVENT_READ, child)
            answer(asker, child)
        elif key.fileobj == woken:
            os.read(woken, 1024)
        else:
            # Whoever asked was killed.
            events.unregister(key.fileobj)
            if key.data in children:
                os.kill(key.data, signal.SIGKILL)
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            break
        asker = children.pop(child)
        if asker in events.get_map():
            events.unregister(asker)
        answer(asker, os.waitstatus_to_exitcode(status))
        asker.close()
"""


@functools.cache
def warm_programs() -> Path:
    """Return the folder to put first on PATH; what forks is started for the first who asks, until the end."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    name, root = str(folder / "asked"), Path(__file__).parents[2]
    environment = {**os.environ, "TQDM_DISABLE": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    server = _SERVER.format(imported=_IMPORTED)
    process = subprocess.Popen(
        [sys.executable, "-c", server, name], cwd=root, env=environment, start_new_session=True
    )
    atexit.register(_end, process, folder)
    while not Path(f"{name}.ready").exists():
        assert process.poll() is None
        time.sleep(0.2)
    started = {name: text for name, text in os.environ.items() if name.startswith(_AT_START)}
    for program in ("python", "feast"):
        text = _COMMAND.format(
            python=sys.executable,
            real=str(Path(sys.executable).with_name(program)),
            root=str(root),
            socket=name,
            is_python=program == "python",
            at_start=_AT_START,
            started=started,
        )
        (folder / program).write_text(text)
        (folder / program).chmod(0o755)
    return folder


def warm(program: str) -> str:
    """Return the path of `python` or `feast`."""
    return str(warm_programs() / program)


def _end(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    process.kill()
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)
