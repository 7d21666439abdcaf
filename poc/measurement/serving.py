"""Predictions a second of the servers, through Feast and with direct reads, under the load of wrk.

All of them run, only one is asked at a time: rounds take turns, so that a slow minute of the machine
meets all alike.
"""

import json
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from operator import truediv
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from poc.command_line import note
from poc.dataset.stored import sample_keys
from poc.definitions import applied_service
from poc.errors import BenchmarkFailed, InvalidSettings, ProgramMissing
from poc.measurement.core import measured_on
from poc.measurement.place import (
    Place,
    ServerProcess,
    chosen_methods,
    free_port,
    keeps_rows,
    rows_configuration,
    server_process,
    write_configuration,
)
from poc.measurement.stores import open_methods
from poc.serving.keys import read_keys

DIRECT, FEAST, FEAST_ROWS = "direct", "feast", "feast-rows"
SCRIPTS = {DIRECT: "serve_model.py", FEAST: "serve_model_feast.py", FEAST_ROWS: "serve_model_feast.py"}
WRK = "wrk"
POOL = 1000
WARM_UP_SECONDS = 2
# After which wrk gives an answer up; by default it leaves all above 2 s out of its percentiles.
ANSWER_SECONDS = 30
_SCRIPT = Path(__file__).with_name("predict.lua")
_MARK = "OUTCOME "

LoadResult = Mapping[str, float]


def require_wrk() -> str:
    """Return the version of wrk; `ProgramMissing` where it is not on the PATH."""
    if shutil.which(WRK) is None:
        raise ProgramMissing(WRK)
    # It prints its version with its usage, and calls that a failure.
    usage = subprocess.run([WRK, "--version"], capture_output=True, text=True, check=False).stdout
    return usage.split()[1].rpartition("/")[2]


def measure_serving(
    place: Place, *, seconds: int, concurrency: int, workers: Sequence[int], rounds: int
) -> dict[str, Any]:
    """Measure the servers as the environment configures them, and return the results as a document.

    wrk keeps `concurrency` connections to a server busy for `rounds` rounds of `seconds`, each told;
    `workers` are numbers of processes of a server, each measured by itself. Raises `BenchmarkFailed` of one
    that does not get ready, and what says that there is no wrk, or nothing to read.
    """
    results, ratios = [], []
    meta = serving_meta(place) | {"seconds": seconds, "concurrency": concurrency, "rounds": rounds}
    with requests_and_environments(place) as (bodies, environments):
        ask = partial(ask_for_predictions, bodies=bodies, concurrency=concurrency)
        for count in workers:
            outcomes: dict[str, list[LoadResult]] = {name: [] for name in environments}
            with running_servers(environments, count) as urls:
                for url in urls.values():
                    ask(url, seconds=min(seconds, WARM_UP_SECONDS))
                for number in range(rounds):
                    # Forwards and backwards: each is as often before another as after it.
                    for name in list(urls)[:: 1 if number % 2 == 0 else -1]:
                        note(f"workers: {count}, round {number + 1} of {rounds}: {name}")
                        outcomes[name].append(ask(urls[name], seconds=seconds))
            results += [_summary(name, count, outcomes[name]) for name in outcomes]
            ratios += [_ratio(name, count, outcomes) for name in outcomes if name != DIRECT]
    return {"meta": meta, "results": results, "ratios": ratios}


def serving_meta(place: Place) -> dict[str, Any]:
    """Describe the setting of a measurement of servers as `measured_on` does; raises as `require_wrk`."""
    tool = require_wrk()
    meta = measured_on(place.session, "fastapi", "uvicorn", "onnxruntime")
    meta["versions"]["wrk"] = tool
    return meta | {"online_store": place.store.config.online_store.type}


@contextmanager
def requests_and_environments(place: Place) -> Iterator[tuple[Path, dict[str, dict[str, str]]]]:
    """Yield a file of requests, a line each, and each server's settings, all stores filled alike.

    Where the yaml names another online store, the Feast server runs a second time, on the row store. Raises
    InvalidSettings: servers are to want a key, or to speak HTTPS, and wrk would measure refusals.
    """
    settings = place.settings
    if read_keys(settings) is not None or settings.tls_key is not None:
        raise InvalidSettings(["API_KEYS, API_KEYS_FILE, TLS_KEY: servers are measured without them"])
    served = applied_service(place.store, settings.feature_service)
    keys = sample_keys(served, POOL)
    environments: dict[str, dict[str, str]] = {DIRECT: {}, FEAST: {}}
    with TemporaryDirectory() as name:
        bodies, yaml = Path(name) / "bodies", Path(name) / "rows.yaml"
        requests = (dict(zip(served.key_names, key, strict=True)) for key in keys)
        bodies.write_text("".join(json.dumps(body, default=str) + "\n" for body in requests))
        if not keeps_rows(place.store):
            write_configuration(rows_configuration(place.store, settings.data_dir), yaml)
            environments[FEAST_ROWS] = {"FEAST_FS_YAML_FILE_PATH": str(yaml)}
        ways = [name for name in environments if name != DIRECT]
        with open_methods(place, served, keys, chosen_methods(place.store, ways, served=served)):
            yield bodies, environments


@contextmanager
def running_servers(environments: Mapping[str, Mapping[str, str]], workers: int) -> Iterator[dict[str, str]]:
    """Run the servers of `environments`, `workers` processes each; yield their URLs once all are ready."""
    urls, servers = {}, {}
    with ExitStack() as started:
        for name, environment in environments.items():
            port = str(free_port())
            urls[name] = f"http://127.0.0.1:{port}"
            own = {"HOST": "127.0.0.1", "PORT": port, "WORKERS": str(workers), "LOG_LEVEL": "WARNING"}
            command = [sys.executable, str(Path(__file__).parents[1] / SCRIPTS[name])]
            servers[name] = started.enter_context(server_process(command, {**environment, **own}))
        for name, running in servers.items():
            _wait_until_ready(name, urls[name], running)
        yield urls


def _wait_until_ready(name: str, url: str, server: ServerProcess) -> None:
    try:
        server.wait_for(lambda: urlopen(f"{url}/ready", timeout=5).close(), OSError)
    except OSError as error:
        # An answer says what it is not ready for.
        answer = error.read().decode() if isinstance(error, HTTPError) else ""
        raise BenchmarkFailed(SCRIPTS[name], server.output() + answer) from error


def ask_for_predictions(
    url: str, bodies: Path, seconds: int, concurrency: int, per_second: float | None = None
) -> LoadResult:
    """Let wrk ask `url` for predictions, one after the other on each of `concurrency` connections.

    With `per_second` requests leave at that rate, each on a connection that is free: as long as one is, none
    waits for another's answer.
    """
    rate = () if per_second is None else (str(per_second),)
    command = [WRK, "-t1", f"-c{concurrency}", f"-d{seconds}s", f"--timeout={ANSWER_SECONDS}s"]
    command += ["-s", str(_SCRIPT), f"{url}/predict"]
    done = subprocess.run([*command, "--", str(bodies), *rate], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            outcome: LoadResult = json.loads(line.removeprefix(_MARK))
            return outcome
    raise BenchmarkFailed(WRK, done.stdout + done.stderr)


def _summary(name: str, workers: int, outcomes: Sequence[LoadResult]) -> dict[str, Any]:
    """Return the medians over the rounds, and all errors."""
    rounds, times = _per_second(outcomes), ("p50_ms", "p95_ms", "p99_ms")
    return {
        "server": name,
        "workers": workers,
        "requests_per_second": round(statistics.median(rounds), 1),
        "rounds": [round(value, 1) for value in rounds],
        **{key: round(statistics.median(item[key] for item in outcomes), 2) for key in times},
        "errors": int(sum(item["errors"] for item in outcomes)),
    }


def _ratio(name: str, workers: int, outcomes: Mapping[str, Sequence[LoadResult]]) -> dict[str, Any]:
    """Return the median of the rounds' ratios to the direct server, each of two neighbours in time."""
    rounds = list(map(truediv, _per_second(outcomes[name]), _per_second(outcomes[DIRECT])))
    return {
        "server": name,
        "workers": workers,
        "throughput": round(statistics.median(rounds), 3),
        "rounds": [round(value, 3) for value in rounds],
    }


def _per_second(outcomes: Sequence[LoadResult]) -> list[float]:
    return [item["requests"] / item["seconds"] for item in outcomes]
