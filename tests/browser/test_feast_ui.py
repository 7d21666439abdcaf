"""Feast's web page, served by our script, in a real browser."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from console_page import OpenPage
from playwright.sync_api import expect
from ports import free_port

from poc.definitions import ServedFeatures
from poc.pages.registry import registered_apart
from poc.settings import Settings

SCRIPT = "scripts/feast_ui.py"


@dataclass(frozen=True)
class FeastUi:
    """Where it answers, and the project that it shows."""

    url: str
    project: str


@pytest.fixture(scope="module")
def feast_ui(root: Path) -> Iterator[FeastUi]:
    with registered_apart(Settings(feast_repo_path=root / "feature_repo")) as store:
        store_yaml = Path(store.config.registry.path).with_name("feature_store.yaml")
        environment = {**os.environ, "FEAST_FS_YAML_FILE_PATH": str(store_yaml)}
        port = free_port()
        process = subprocess.Popen(
            [sys.executable, SCRIPT, "--port", str(port)], cwd=root, env=environment, start_new_session=True
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_until_it_answers(url, process)
            yield FeastUi(url, store.project)
        finally:
            process.terminate()
            process.wait(30)


def _wait_until_it_answers(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, "the script ended"
        try:
            if httpx.get(f"{url}/projects-list.json").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer")


def test_feature_view_lists_every_feature(
    feast_ui: FeastUi, open_page: OpenPage, definitions: ServedFeatures
) -> None:
    page, _ = open_page(feast_ui, f"p/{feast_ui.project}/feature-view/{definitions.feature_sets[0].view}")

    for name in definitions.names:
        expect(page.get_by_role("link", name=name, exact=True)).to_be_visible(timeout=20_000)


def test_feature_says_what_it_means(
    feast_ui: FeastUi, open_page: OpenPage, definitions: ServedFeatures
) -> None:
    feature = definitions.features[0]
    page, _ = open_page(
        feast_ui,
        f"p/{feast_ui.project}/feature-view/{definitions.feature_sets[0].view}/feature/{feature.name}",
    )

    expect(page.get_by_text(feature.description)).to_be_visible(timeout=20_000)


def test_start_page_leads_to_the_service_of_the_model(feast_ui: FeastUi, open_page: OpenPage) -> None:
    page, _ = open_page(feast_ui)
    page.get_by_text(re.compile("^Feature Services")).first.click()
    page.get_by_role("link", name="fraud_detection_v1").click()

    expect(page.get_by_role("link", name="fraud_detection", exact=True)).to_be_visible(timeout=20_000)


def test_picture_of_the_documents_is_taken(feast_ui: FeastUi, root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "scripts/take_screenshots.py", feast_ui.url, "--feast-ui"]
    done = subprocess.run(
        [*command, "--folder", str(tmp_path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "feast-ui.png").stat().st_size > 20_000


def _refused(root: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    command: list[Any] = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(
        command,
        cwd=root,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_port_that_is_taken_is_refused_by_name(root: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _refused(root, "--port", str(port))

    assert done.returncode != 0
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr


def test_registry_that_nothing_was_applied_to_is_refused_with_the_command(root: Path, tmp_path: Path) -> None:
    yaml = tmp_path / "feature_store.yaml"
    yaml.write_text(
        f"project: empty\nprovider: local\nregistry: {tmp_path}/registry.db\n"
        f"online_store:\n  type: sqlite\n  path: {tmp_path}/online.db\nentity_key_serialization_version: 2\n"
    )
    done = _refused(root, "--port", str(free_port()), FEAST_FS_YAML_FILE_PATH=str(yaml))

    assert done.returncode == 1
    assert "python scripts/feast_setup.py" in done.stderr
