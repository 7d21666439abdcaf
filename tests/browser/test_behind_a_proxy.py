"""The pages of a server that asks for a key, behind a proxy that strips a prefix, as a browser meets them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from ports import free_port
from prefix_proxy import prefix_proxy
from server_process import ROOT, ServerProcess

KEY = "a-key-of-more-than-sixteen-characters"
PREFIX = "/team/fraud"


@pytest.fixture
def logged_in(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, str, list[str]]]:
    """A page whose user gives the key as the password, where the server's pages are, and what went wrong."""
    nobody = {"CASSANDRA_HOSTS": "127.0.0.1", "CASSANDRA_PORT": str(free_port()), "API_KEYS": KEY}
    place = {"FEAST_REPO_PATH": str(ROOT / "feature_repo"), "DATA_DIR": str(tmp_path)}
    server = ServerProcess("poc/serve_model.py", free_port(), nobody | place, tmp_path)
    try:
        server.wait_until_live()
        with prefix_proxy(server.url, PREFIX, tells=True) as url:
            context = browser.new_context(http_credentials={"username": "anybody", "password": KEY})
            page, wrong = context.new_page(), []
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda said: wrong.append(said.text) if "Policy" in said.text else None)
            page.on("response", lambda got: wrong.append(got.url) if got.status == 404 else None)
            yield page, url + PREFIX, wrong
            context.close()
    finally:
        server.kill()


def test_docs_and_console_are_whole(logged_in: tuple[Page, str, list[str]]) -> None:
    page, url, wrong = logged_in
    page.goto(f"{url}/docs")
    expect(page.locator(".opblock").first).to_be_visible(timeout=30_000)
    page.goto(f"{url}/")
    # There is no Cassandra here, and the page says so in the server's words.
    expect(page.locator("#health")).not_to_have_text("asking …", timeout=30_000)
    assert wrong == []
