"""Take the pictures that the documents show, of running servers: the console's, or that of Feast's page.

Needs Chromium; looks up the console's first example and runs a race. Exit status 1 on an error.

    python scripts/take_screenshots.py [http://localhost:8888 --feast-ui]
"""

from pathlib import Path
from shutil import which

from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from poc.command_line import argument_parser, fail, ok, run

CONSOLE: dict[str, dict[str, object]] = {
    "console-light.png": {"color_scheme": "light", "viewport": {"width": 1280, "height": 1420}},
    "console-dark.png": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 1420}},
    "console-phone.png": {"viewport": {"width": 390, "height": 1240}, "device_scale_factor": 1.5},
}
FEAST_UI: dict[str, dict[str, object]] = {"feast-ui.png": {"viewport": {"width": 1280, "height": 800}}}


def show_console(page: Page) -> None:
    page.locator("#examples button").first.click()
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#outcome")).to_contain_text("reads each", timeout=60_000)


def show_feature_view(page: Page) -> None:
    page.wait_for_url("**/p/*")  # Feast's page goes on to its project by itself.
    page.goto(f"{page.url}/feature-view/transaction_features", wait_until="networkidle")
    expect(page.get_by_text("Consuming Feature Services")).to_be_visible(timeout=20_000)


def take(browser: Browser, url: str, path: Path, how: dict[str, object]) -> bool:
    page, errors = browser.new_context(**how).new_page(), []
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(url, wait_until="networkidle")
    (show_feature_view if path.name in FEAST_UI else show_console)(page)
    page.wait_for_timeout(500)  # Bars and marks have arrived where they move to.
    page.evaluate("() => scrollTo(0, 0)")
    page.screenshot(path=path)
    (fail if errors else ok)("\n  ".join([str(path), *errors]))
    return not errors


def main() -> int:
    parser = argument_parser(__doc__)
    parser.add_argument("url", nargs="?", default="http://localhost:8000", help="of a running server")
    parser.add_argument("--feast-ui", action="store_true", help="the server is scripts/feast_ui.py")
    parser.add_argument("--folder", type=Path, default=Path("docs/images"), help="where the pictures go")
    wanted = parser.parse_args()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
            pictures = (FEAST_UI if wanted.feast_ui else CONSOLE).items()
            taken = [take(browser, wanted.url, wanted.folder / name, how) for name, how in pictures]
    except (Error, AssertionError) as error:
        fail(str(error).partition("\n")[0])
        return 1
    return 0 if all(taken) else 1


if __name__ == "__main__":
    run(main)
