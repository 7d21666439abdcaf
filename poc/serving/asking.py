"""Asks a server of this machine that was started with this process's settings: by their key, over their TLS.

The way in for the guide's own scripts. Who asks a server from outside needs none of this.
"""

import time

import httpx
import psutil

from poc.errors import PredictionRefused, ServerNotReady
from poc.serving.keys import stated_keys
from poc.settings import Settings

READY_SECONDS = 60.0
BETWEEN_SECONDS = 0.5
ANSWER_SECONDS = 30.0


class OwnServer:
    """One server on loopback; `url` is where it answers."""

    def __init__(self, settings: Settings, port: int) -> None:
        scheme = "http" if settings.tls_key is None else "https"
        self.url = f"{scheme}://127.0.0.1:{port}"
        keys = stated_keys(settings)
        self._headers = {} if keys is None else {"X-API-Key": keys[0]}
        # The certificate is for the name that others know the server by; here nobody is in between.
        self._client = httpx.Client(base_url=self.url, verify=False, trust_env=False, timeout=ANSWER_SECONDS)

    def wait_until_ready(self, pid: int | None = None, seconds: float = READY_SECONDS) -> None:
        """Return once /ready answers 200; raise `ServerNotReady` after `seconds`, or once `pid` is gone."""
        deadline = time.monotonic() + seconds
        while True:
            runs = pid is None or _runs(pid)
            try:
                answer = self._client.get("/ready")
                if answer.is_success:
                    return
                said = f"{answer.status_code} {answer.text}"
            except httpx.TransportError as error:
                said = str(error)
            if not runs:
                raise ServerNotReady(self.url, "its process has ended")
            if time.monotonic() >= deadline:
                raise ServerNotReady(self.url, f"after {seconds:.0f} s it says: {said}")
            time.sleep(BETWEEN_SECONDS)

    def command(self, body: str) -> str:
        """Return what a person types to ask for the same prediction."""
        key = ' -H "X-API-Key: $API_KEY"' if self._headers else ""
        insecure = " -k" if self.url.startswith("https:") else ""
        return (
            f"curl{insecure} -X POST {self.url}/predict{key} -H 'Content-Type: application/json' -d '{body}'"
        )

    def predict(self, body: str) -> str:
        """Return the answer to `body`, the JSON of a request; raise `PredictionRefused` unless it is one."""
        headers = {"Content-Type": "application/json", **self._headers}
        try:
            answer = self._client.post("/predict", content=body, headers=headers)
        except httpx.TransportError as error:
            raise PredictionRefused(self.url, str(error)) from error
        if not answer.is_success:
            raise PredictionRefused(self.url, f"{answer.status_code} {answer.text}")
        return answer.text


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
