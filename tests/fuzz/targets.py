"""What a fuzzer feeds: bytes that anybody could send or save, to be refused in words if at all.

    python tests/fuzz/targets.py csv|yaml|requests [options of libFuzzer] [folder of examples]

A crash is anything that is no PocError, an answer of 500, a hang or a leak (-rss_limit_mb). The
input that led to one is written where -artifact_prefix says; given as the only argument it is tried again.
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import unquote

import atheris
import httptools

with atheris.instrument_imports(include=["poc"]):
    from poc.dataset.prepare import check_dataset
    from poc.errors import PocError
    from poc.feature_store import connection_of, open_feature_store
    from poc.repository import declared_service
    from poc.retrieval.feast_source import open_feast_source
    from poc.serving.app import create_app
    from poc.settings import Settings

START_SECONDS = 60.0
PREDICTION = b'POST /predict\ncontent-type: application/json\n\n{"transaction_id": "1"}'


def csv(folder: Path) -> Callable[[bytes], None]:
    """A person's CSV, as setup checks it."""
    definitions = declared_service(Settings()).views[0].definitions
    file = folder / f"{definitions.source_path.stem}.csv"
    now = datetime.now(timezone.utc)

    def check(data: bytes) -> None:
        file.write_bytes(data)
        with suppress(PocError):
            check_dataset(definitions, folder, now)

    return check


def yaml(folder: Path) -> Callable[[bytes], None]:
    """A person's feature_store.yaml, as every script opens it."""
    file = folder / "feature_store.yaml"
    settings = Settings(feast_repo_path=folder)

    def check(data: bytes) -> None:
        file.write_bytes(data)
        with suppress(PocError):
            connection_of(open_feature_store(settings))

    return check


def requests(folder: Path) -> Callable[[bytes], None]:
    """A request, without its version and carriage returns, to the Feast server of the environment."""
    settings = Settings()
    app = create_app(settings, open_feast_source, source_name="feast")
    loop = asyncio.new_event_loop()
    loop.run_until_complete(app.router.lifespan_context(app).__aenter__())
    for resource in app.state.resources:
        resource.wait_until_tried(START_SECONDS)
        assert resource.latest is not None, "the server is not ready: every request would be refused alike"

    def ask(data: bytes) -> int:
        head, _, body = data.partition(b"\n\n")
        return loop.run_until_complete(_ask(app, _Head(head).scope, body))

    def check(data: bytes) -> None:
        with suppress(httptools.HttpParserError):
            assert ask(data) != 500, data

    # What is refused as it stands would be refused alike however it is mutated.
    assert ask(PREDICTION) == 200
    return check


class _Head:
    """What uvicorn makes of what comes before a body; HttpParserError where it makes nothing of it."""

    def __init__(self, head: bytes) -> None:
        self._target, self._headers = b"", []
        parser = httptools.HttpRequestParser(self)
        first, *lines = head.split(b"\n")
        parser.feed_data(b"\r\n".join([first + b" HTTP/1.1", *lines, b"", b""]))
        url = httptools.parse_url(self._target)
        if url.path is None:
            # uvicorn fails on it inside the parser, and answers 400.
            raise httptools.HttpParserCallbackError("a target without a path")
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": parser.get_method().decode("ascii"),
            "scheme": "http",
            "path": unquote(url.path.decode("ascii")),
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": self._headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, text: bytes) -> None:
        self._headers.append((name.lower(), text))


async def _ask(app: Callable[..., object], scope: dict[str, object], body: bytes) -> int:
    answers: list[int] = []
    asked = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, object]:
        return next(asked, {"type": "http.disconnect"})

    async def send(message: dict[str, int]) -> None:
        if message["type"] == "http.response.start":
            answers.append(message["status"])

    await app(scope, receive, send)
    return answers[0]


def main() -> None:
    """Fuzz the target that the first argument names."""
    name, *options = sys.argv[1:]
    folder = Path(tempfile.mkdtemp())
    check = {"csv": csv, "yaml": yaml, "requests": requests}[name](folder)
    atheris.Setup([sys.argv[0], *options], check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
