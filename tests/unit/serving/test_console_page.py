import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fastapi import FastAPI
from fastapi.testclient import TestClient

from poc.serving.console.routes import FOLDER
from poc.settings import Settings

FILES = sorted(path.name for path in FOLDER.iterdir())


def test_page_is_at_the_root(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>Fraud console</title>" in answer.text


def test_browser_is_told_to_load_nothing_from_elsewhere(client: TestClient) -> None:
    policy = dict(
        part.strip().split(" ", 1) for part in client.get("/").headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert {policy[name] for name in ("base-uri", "form-action", "frame-ancestors")} == {"'none'"}


@pytest.mark.parametrize("name", FILES)
def test_every_part_of_the_page_is_served_as_what_it_is(client: TestClient, name: str) -> None:
    answer = client.get(f"/console/page/{name}")
    assert answer.content == (FOLDER / name).read_bytes()
    kind = {"html": "html", "css": "css", "js": "javascript", "svg": "svg"}[name.rpartition(".")[2]]
    assert kind in answer.headers["content-type"]
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", FILES)
def test_no_part_names_another_host(name: str) -> None:
    named = set(re.findall(r"""https?://[^\s"'`)]+|["'(]//\w[^"')]*""", (FOLDER / name).read_text()))
    assert named <= {"http://www.w3.org/2000/svg"}


def test_what_the_page_and_its_scripts_name_is_there(client: TestClient) -> None:
    page = client.get("/").text
    for address in re.findall(r"""(?:src|href)="([^"#]+)""", page):
        assert client.get(f"/{address}").status_code == 200, address
    for name in [name for name in FILES if name.endswith(".js")]:
        for module in re.findall(r'from "\./([^"]+)"', (FOLDER / name).read_text()):
            assert module in FILES, f"{name} imports {module}"


def test_page_has_no_inline_script_or_style(client: TestClient) -> None:
    page = client.get("/").text
    assert re.findall(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page) == []


def test_every_element_that_a_script_looks_for_is_on_the_page(client: TestClient) -> None:
    page = client.get("/").text
    scripts = "".join((FOLDER / name).read_text() for name in FILES if name.endswith(".js"))
    wanted = set(re.findall(r'\bat\("([\w-]+)"\)', scripts))
    assert wanted - set(re.findall(r'\sid="([\w-]+)"', page)) == set()
    assert len(wanted) > 20


def test_unchanged_part_is_not_sent_again(client: TestClient) -> None:
    tag = client.get("/").headers["etag"]
    again = client.get("/", headers={"if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"if-none-match": '"other"'}).status_code == 200


@pytest.mark.parametrize("path", ["nothing.js", "..%2Ffiles.py", "..%2F..%2Fapp.py", "__init__.py"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/console/page/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_console_that_is_switched_off_leaves_the_api_alone(
    make_app: Callable[..., FastAPI], start: Callable[[FastAPI], TestClient]
) -> None:
    with start(make_app(console="off")) as client:
        for method, path in [
            ("GET", "/"),
            ("GET", "/console/about"),
            ("GET", "/console/examples"),
            ("GET", "/console/page/page.js"),
            ("POST", "/console/explain"),
            ("POST", "/console/race"),
        ]:
            answer = client.request(method, path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
            assert answer.json()["type"] == "/problems/not-found"
        assert client.post("/predict", json={"transaction_id": "12345"}).status_code == 200


def test_console_is_on_unless_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONSOLE", raising=False)
    assert Settings(_env_file=None).console == "on"
    monkeypatch.setenv("CONSOLE", "off")
    assert Settings(_env_file=None).console == "off"


def test_console_is_off_in_the_cluster() -> None:
    path = Path(__file__).parents[3] / "deploy/kubernetes/settings.yaml"
    assert yaml.safe_load(path.read_text())["data"]["CONSOLE"] == "off"


def test_console_is_no_part_of_the_described_api(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert [path for path in paths if path == "/" or path.startswith("/console")] == []


def test_page_is_there_before_anything_is_ready(make_app: object, source: object) -> None:
    # Not entered: nothing is started, as in a server that waits for Cassandra.
    client = TestClient(make_app())
    assert client.get("/").status_code == 200
    assert client.get("/console/about").status_code == 200
