"""A real server on a real Cassandra, and Debian's Chromium in front of it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from console_page import ROWS, OpenPage, Seen
from playwright.sync_api import Browser, Page, sync_playwright
from ports import free_port
from served_project import served_project
from server_process import ServerProcess
from stored_features import environment

from poc.definitions import ServedFeatures
from poc.online_store.connection import ConnectionSettings


# Before the first module, so that what it opens outlives that.
@pytest.fixture(scope="session", autouse=True)
def start(
    tmp_path_factory: pytest.TempPathFactory, cassandra: ConnectionSettings, definitions: ServedFeatures
) -> Iterator[Callable[[str], ServerProcess]]:
    """Starts a server of that script, over both stores, a model and a Parquet with the same transactions."""
    folder = tmp_path_factory.mktemp("console")
    servers: list[ServerProcess] = []
    with served_project(folder, cassandra, definitions, ROWS, direct=True) as settings:

        def start_server(script: str) -> ServerProcess:
            servers.append(ServerProcess(script, free_port(), environment(settings), folder))
            servers[-1].wait_until_ready()
            return servers[-1]

        write_parquet(folder, definitions)
        yield start_server
        for server in servers:
            server.kill()


def write_parquet(folder: Path, definitions: ServedFeatures) -> None:
    [view] = definitions.feature_sets
    path = folder / view.source_path
    path.parent.mkdir(exist_ok=True)
    rows = [
        {
            "transaction_id": row.transaction_id,
            view.timestamp_column: row.event_timestamp,
            view.created_timestamp_column: row.event_timestamp,
            **{name: row.values.get(name) for name in view.names},
        }
        for row in ROWS
    ]
    pd.DataFrame(rows).to_parquet(path)


@pytest.fixture(scope="session")
def server(start: Callable[[str], ServerProcess]) -> ServerProcess:
    return start("poc/serve_model_feast.py")


# Not of the session: until it is stopped, Playwright's event loop runs in this thread, and no other may.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium is not None, "These tests need Chromium: scripts/install_test_packages.sh"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(server: ServerProcess, browser: Browser) -> Iterator[OpenPage]:
    """Opens the console in a browser as configured, and holds it at the end to what no page may do."""
    opened: list[tuple[Page, Seen]] = []

    def open_console(
        of: ServerProcess = server, fragment: str = "", **configured: object
    ) -> tuple[Page, Seen]:
        page, seen = browser.new_context(**configured).new_page(), Seen()
        page.on("console", seen.note)
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        page.on("request", seen.ask)
        opened.append((page, seen))
        page.goto(f"{of.url}/{fragment}")
        return page, seen

    yield open_console
    for page, seen in opened:
        own = urlsplit(page.url).netloc
        page.context.close()
        assert [text for text in seen.errors if seen.expected is None or seen.expected not in text] == []
        assert seen.hosts == {own}


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    opened, _ = open_page()
    return opened
