"""The highest rate that a server answers in time, what it does with more, and how soon it is well again.

Requests leave at a constant rate as long as a connection is free: users do not wait for each other.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from poc.command_line import note
from poc.errors import BenchmarkFailed
from poc.measurement.place import Place
from poc.measurement.serving import (
    WARM_UP_SECONDS,
    LoadResult,
    ask_for_predictions,
    requests_and_environments,
    running_servers,
    serving_meta,
)

P99_MS = 5.0
# More than requests that are under way at any rate that is answered in time.
CONNECTIONS = 64
# Past its rate a server has connections for so many times the requests that it takes at a time.
CONNECTIONS_PAST = 2.5
FIRST_RATE = 50.0
# The search ends when the least rate that is too high is so close to the highest that is not.
CLOSE = 1.1
# A rate at which fewer leave was not tried: the load tool, or the connections, were not enough.
LEAVE = 0.9
# How many times the highest rate is asked of a server to see what it does with too much.
PAST = 3.0
WELL_AGAIN_SECONDS, PAUSE_SECONDS = 30.0, 0.01

Ask = Callable[[float], LoadResult]


def measure_rates(place: Place, *, seconds: int, workers: Sequence[int]) -> dict[str, Any]:
    """Measure each server of `measure_serving`, by itself, and return the results as a document.

    `seconds` is the time that a rate is asked for; for the rest, and what is raised, see `measure_serving`.
    """
    results = []
    meta = serving_meta(place) | {"seconds": seconds, "p99_ms": P99_MS, "past": PAST}
    with requests_and_environments(place) as (bodies, environments):
        ask = partial(ask_for_predictions, bodies=bodies, seconds=seconds)
        for count in workers:
            for name, own in environments.items():
                with running_servers({name: own}, count) as urls:
                    note(f"workers: {count}: {name}")
                    most = round(place.settings.max_concurrent_requests * count * CONNECTIONS_PAST)
                    found = _measured(urls[name], most, ask, bodies.read_text().partition("\n")[0])
                results.append({"server": name, "workers": count} | found)
    return {"meta": meta, "results": results}


def _measured(url: str, connections: int, ask: Callable[..., LoadResult], body: str) -> dict[str, Any]:
    ask(url, seconds=WARM_UP_SECONDS, concurrency=CONNECTIONS)
    held = highest_rate(lambda rate: ask(url, concurrency=CONNECTIONS, per_second=rate))
    if held is None:
        return {"rate": None}
    rate, outcome = held
    past = ask(url, concurrency=connections, per_second=rate * PAST)
    well = _well_again(f"{url}/predict", body)
    return {
        "rate": round(rate),
        "p99_ms": round(outcome["p99_ms"], 2),
        "past_rate": round(rate * PAST),
        "past_answered_per_second": round((past["requests"] - past["shed"]) / past["seconds"]),
        "past_shed_per_second": round(past["shed"] / past["seconds"]),
        "past_p99_ms": round(past["p99_ms"], 1),
        "past_other_errors": int(past["errors"] - past["shed"]),
        "well_again_seconds": well if well is None else round(well, 3),
    }


def highest_rate(ask: Ask) -> tuple[float, LoadResult] | None:
    """Find the highest rate at which all is answered, 99 of 100 in less than `P99_MS`; None if there is none.

    Doubled until it is too high, then between the two: in time means in one of two tries, since a small
    machine has other things to do now and then.
    """
    held, low, high = None, FIRST_RATE, float("inf")
    while high > low * CLOSE:
        rate = low if held is None else min(low * 2, (low * high) ** 0.5)
        outcome = next((found for found in map(ask, (rate, rate)) if _in_time(found, rate)), None)
        if outcome is not None:
            held, low = (rate, outcome), rate
        elif held is not None:
            high = rate
        else:
            return None
    return held


def _in_time(outcome: LoadResult, rate: float) -> bool:
    left = outcome["requests"] / outcome["seconds"] >= rate * LEAVE
    return left and outcome["errors"] == 0 and outcome["p99_ms"] < P99_MS


def _well_again(url: str, body: str) -> float | None:
    """Ask one at a time, and return after how many seconds the first answer came in time; None if none does.

    Raises BenchmarkFailed: the answer is neither a prediction nor that the server is busy.
    """
    began = time.monotonic()
    request = Request(url, body.encode(), {"Content-Type": "application/json"})
    while (asked := time.monotonic()) - began < WELL_AGAIN_SECONDS:
        try:
            urlopen(request, timeout=WELL_AGAIN_SECONDS).close()
        except HTTPError as error:
            if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
                raise BenchmarkFailed(url, str(error)) from error
        except OSError:
            pass  # Its connections are all taken still.
        else:
            now = time.monotonic()
            if (now - asked) * 1000 < P99_MS:
                return now - began
        time.sleep(PAUSE_SECONDS)
    return None
