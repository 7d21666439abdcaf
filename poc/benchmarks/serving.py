"""Predictions a second of the servers, through Feast and with direct reads, under the load of wrk.

All of them run, only one is asked at a time: rounds take turns, so that a slow minute of the machine
meets all alike.
"""

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from operator import truediv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any
from urllib.error import HTTPError
from urllib.request import urlopen

import poc
from poc.comparison.filled import Announce
from poc.comparison.machine import measured_on
from poc.comparison.methods import Key
from poc.comparison.servers import POLL_SECONDS, START_SECONDS, Process, free_port, server_process
from poc.comparison.stores import Place, chosen_methods, open_methods
from poc.comparison.variants import keeps_rows, rows_configuration, write_configuration
from poc.dataset.stored import sample_keys
from poc.definitions import ServedFeatures, applied_service
from poc.errors import BenchmarkFailed, LoadToolMissing

DIRECT, FEAST, FEAST_ROWS = "direct", "feast", "feast-rows"
SCRIPTS = {DIRECT: "serve_model.py", FEAST: "serve_model_feast.py", FEAST_ROWS: "serve_model_feast.py"}
STOP_SECONDS = 40.0
WRK = "wrk"
POOL = 1000
ROUNDS = 6
WARM_UP_SECONDS = 2
_SCRIPT = Path(__file__).with_name("predict.lua")
_MARK = "OUTCOME "

Outcome = Mapping[str, float]
Asking = Callable[..., Outcome]
Environments = Mapping[str, Mapping[str, str]]


def require_wrk() -> str:
    """Find wrk, and say in which version.

    Raises:
        LoadToolMissing: it is not on the PATH.
    """
    if shutil.which(WRK) is None:
        raise LoadToolMissing(WRK)
    # It prints its version with its usage, and calls that a failure.
    said = subprocess.run([WRK, "--version"], capture_output=True, text=True, check=False).stdout
    return said.split()[1].rpartition("/")[2]


def measure_serving(
    place: Place,
    *,
    seconds: int,
    concurrency: int,
    workers: Sequence[int],
    rounds: int = ROUNDS,
    announce: Announce = lambda what: None,
) -> dict[str, Any]:
    """Measure the servers as the environment configures them, and return the results as a document.

    Where the yaml names another online store, the Feast server runs a second time, on the row store.

    wrk keeps `concurrency` connections to a server busy for `rounds` rounds of `seconds`, each announced;
    `workers` are numbers of processes of a server, each measured by itself.

    Raises:
        LoadToolMissing: wrk is not installed.
        BenchmarkFailed: a server did not get ready.
        PocError: what says that there is nothing to read.
    """
    tool = require_wrk()
    served = applied_service(place.store, place.settings.feature_service)
    keys = sample_keys(served, POOL)
    results, ratios = [], []
    meta = measured_on(place.session, "fastapi", "uvicorn", "onnxruntime")
    with TemporaryDirectory() as name:
        folder = Path(name)
        bodies = folder / "bodies"
        asked = [dict(zip(served.key_names, key, strict=True)) for key in keys]
        bodies.write_text("".join(json.dumps(body, default=str) + "\n" for body in asked))
        with _environments(place, served, keys, folder) as environments:
            for count in workers:
                asking = partial(ask, bodies=bodies, concurrency=concurrency)
                taken = _rounds(environments, count, asking, seconds, rounds, announce)
                results += [_summary(name, count, outcomes) for name, outcomes in taken.items()]
                ratios += [_ratio(name, count, taken) for name in taken if name != DIRECT]
    meta["versions"]["wrk"] = tool
    online_store = place.store.config.online_store.type
    meta |= {"seconds": seconds, "concurrency": concurrency, "rounds": rounds, "online_store": online_store}
    return {"meta": meta, "results": results, "ratios": ratios}


@contextmanager
def _environments(
    place: Place, served: ServedFeatures, keys: Sequence[Key], folder: Path
) -> Iterator[dict[str, dict[str, str]]]:
    """Give each server's settings, its store filled with the same values as the others'."""
    environments: dict[str, dict[str, str]] = {DIRECT: {}, FEAST: {}}
    wanted = ["feast"]
    if not keeps_rows(place.store):
        config = rows_configuration(place.store, place.settings.data_dir)
        yaml = write_configuration(config, folder / "rows.yaml")
        environments[FEAST_ROWS] = {"FEAST_FS_YAML_FILE_PATH": str(yaml)}
        wanted.append("feast-rows")
    with open_methods(place, served, keys, chosen_methods(place.store, wanted)):
        yield environments


def _rounds(
    environments: Environments, workers: int, asking: Asking, seconds: int, rounds: int, announce: Announce
) -> dict[str, list[Outcome]]:
    taken: dict[str, list[Outcome]] = {name: [] for name in environments}
    with ExitStack() as running:
        servers = {
            name: running.enter_context(_server(name, workers, own)) for name, own in environments.items()
        }
        for server in servers.values():
            server.wait_until_ready()
        for server in servers.values():
            asking(server.url, seconds=min(seconds, WARM_UP_SECONDS))
        for number in range(rounds):
            # Forwards and backwards: each is as often before another as after it.
            for name in list(servers)[:: 1 if number % 2 == 0 else -1]:
                announce(f"workers: {workers}, round {number + 1} of {rounds}: {name}")
                taken[name].append(asking(servers[name].url, seconds=seconds))
    return taken


@dataclass(frozen=True, slots=True)
class _Server:
    script: Path
    url: str
    process: Process
    log: IO[str]

    def wait_until_ready(self) -> None:
        """Wait until it can predict.

        Raises:
            BenchmarkFailed: it ended, or was not ready in two minutes.
        """
        deadline, answer = time.monotonic() + START_SECONDS, ""
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with urlopen(f"{self.url}/ready", timeout=5):
                    return
            except HTTPError as error:  # It says what it is not ready for.
                answer = error.read().decode()
            except OSError:  # No answer yet.
                pass
            time.sleep(POLL_SECONDS)
        self.log.seek(0)
        raise BenchmarkFailed(self.script.name, self.log.read() + answer)


@contextmanager
def _server(name: str, workers: int, environment: Mapping[str, str]) -> Iterator[_Server]:
    """Run the server `name` of `SCRIPTS` on a free port; its settings come beside those of this process."""
    script, port = Path(str(poc.__file__)).parent / SCRIPTS[name], str(free_port())
    own = {"HOST": "127.0.0.1", "PORT": port, "WORKERS": str(workers), "LOG_LEVEL": "WARNING"}
    command = [sys.executable, str(script)]
    with server_process(command, STOP_SECONDS, {**environment, **own}) as (process, log):
        yield _Server(script, f"http://127.0.0.1:{port}", process, log)


def ask(url: str, bodies: Path, seconds: int, concurrency: int) -> Outcome:
    """Let wrk ask `url` for predictions, one after the other on each of `concurrency` connections."""
    command = [WRK, "-t1", f"-c{concurrency}", f"-d{seconds}s", "-s", str(_SCRIPT), f"{url}/predict"]
    done = subprocess.run([*command, "--", str(bodies)], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            outcome: Outcome = json.loads(line.removeprefix(_MARK))
            return outcome
    raise BenchmarkFailed(WRK, done.stdout + done.stderr)


def _summary(name: str, workers: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the medians over the rounds, and all errors."""
    rounds, times = _each_second(outcomes), ("p50_ms", "p95_ms", "p99_ms")
    return {
        "server": name,
        "workers": workers,
        "requests_per_second": round(statistics.median(rounds), 1),
        "rounds": [round(value, 1) for value in rounds],
        **{key: round(statistics.median(item[key] for item in outcomes), 2) for key in times},
        "errors": int(sum(item["errors"] for item in outcomes)),
    }


def _ratio(name: str, workers: int, taken: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    """Return the median of the rounds' ratios to the direct server, each of two neighbours in time."""
    rounds = list(map(truediv, _each_second(taken[name]), _each_second(taken[DIRECT])))
    return {
        "server": name,
        "workers": workers,
        "throughput": round(statistics.median(rounds), 3),
        "rounds": [round(value, 3) for value in rounds],
    }


def _each_second(outcomes: Sequence[Outcome]) -> list[float]:
    return [item["requests"] / item["seconds"] for item in outcomes]
