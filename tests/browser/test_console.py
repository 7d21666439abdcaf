"""The console as a person meets it."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from console_page import HARMLESS, LONG, STALE, SUSPICIOUS, OpenPage
from playwright.sync_api import Page, Route, expect
from ports import free_port
from server_process import ServerProcess

from poc.definitions import ServedFeatures

RACE_MS = 60_000
PHONE = {"width": 360, "height": 740}


def look_up(page: Page, transaction_id: str) -> None:
    page.get_by_label("Transaction id").fill(transaction_id)
    page.get_by_role("button", name="Look up").click()


def run_race(page: Page, reads: str = "200") -> None:
    page.get_by_label("Reads each way").select_option(reads)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#outcome")).to_contain_text("reads each", timeout=RACE_MS)


def shown_probability(page: Page) -> float:
    return float(page.locator("#probability").get_attribute("value"))


def predicted(server: ServerProcess, transaction_id: str, **overrides: object) -> dict[str, Any]:
    body = {"transaction_id": transaction_id, "overrides": overrides}
    return server.client.post("/predict", json=body).json()


def row_of(page: Page, feature: str) -> Any:
    return page.locator("#features tr").filter(has=page.locator(f"#name-{feature}"))


def test_look_up_shows_every_feature_and_the_probability_of_the_api(
    page: Page, server: ServerProcess, definitions: ServedFeatures
) -> None:
    look_up(page, SUSPICIOUS)
    expect(page.locator("#features tr")).to_have_count(len(definitions.features))
    answer = predicted(server, SUSPICIOUS)
    assert shown_probability(page) == answer["fraud_probability"]
    expect(page.locator("#decision")).to_have_text("Alarm")
    expect(page.locator("#age")).to_contain_text("3 h of 30 d allowed")
    for feature in definitions.features:
        row = row_of(page, feature.name)
        expect(row).to_contain_text(feature.description)
        value = answer["features"][feature.name]
        stored = int(value) if isinstance(value, float) and value.is_integer() else value
        # A feature that was added to the declarations, and that no test needs to know, is a null.
        expect(row.locator(".stored")).to_have_text("not known" if value is None else str(stored))


def test_bar_starts_in_the_middle_and_points_where_a_feature_moved_the_odds(page: Page) -> None:
    look_up(page, SUSPICIOUS)
    amount = row_of(page, "amount")
    expect(amount.locator(".factor")).to_have_text(re.compile(r"^×\s[\d.,]+$"))
    bars, bar = (amount.locator(name).bounding_box() for name in (".bars", ".bar"))
    assert bar["x"] == pytest.approx(bars["x"] + bars["width"] / 2, abs=1.5)
    assert bar["width"] == pytest.approx(bars["width"] / 2, abs=1.5)
    look_up(page, HARMLESS)
    expect(page.locator("#decision")).to_have_text("No alarm")
    expect(amount.locator(".factor")).to_have_text("no effect")
    expect(amount.locator(".bar")).to_have_css("width", "0px")


def test_feature_that_is_not_known_is_said_to_be(page: Page) -> None:
    look_up(page, HARMLESS)
    expect(row_of(page, "cardholder_age").locator(".stored")).to_have_text("not known")


def test_stale_features_are_marked_in_words(page: Page) -> None:
    look_up(page, STALE)
    expect(page.locator("#age")).to_have_text("Stale: 40 d, allowed are 30 d")
    expect(page.locator("#spoken")).to_contain_text("by stale features")


def test_unknown_transaction_is_explained_and_takes_the_last_score_away(open_page: OpenPage) -> None:
    page, seen = open_page()
    seen.expected = "404"
    look_up(page, SUSPICIOUS)
    expect(page.locator("#judged")).to_be_visible()
    look_up(page, "nobody")
    problem = page.get_by_role("alert").filter(visible=True)
    expect(problem).to_contain_text("Unknown transaction")
    expect(problem).to_contain_text("'nobody'")
    expect(problem).to_contain_text("python scripts/feast_materialize.py")
    expect(page.locator("#judged")).to_be_hidden()
    look_up(page, HARMLESS)
    expect(problem).to_have_count(0)


def test_what_is_typed_before_the_page_is_ready_stays_and_can_be_sent_then(page: Page) -> None:
    held: list[Route] = []
    page.route("**/console/about", lambda route: held.append(route))
    page.reload()
    page.get_by_label("Transaction id").fill(SUSPICIOUS)
    expect(page.locator(LOOK_UP)).to_be_disabled()
    page.keyboard.press("Enter")
    held.pop().continue_()
    page.get_by_role("button", name="Look up").click()
    expect(page.locator("#decision")).to_have_text("Alarm")


def test_other_values_move_the_probability_as_the_api_does(page: Page, server: ServerProcess) -> None:
    look_up(page, SUSPICIOUS)
    page.get_by_role("button", name="What if").click()
    page.get_by_label("amount").fill("12.5")
    page.get_by_label("merchant_category").select_option("Food")
    expect(page.locator("#decision")).to_have_text("No alarm")
    expect(row_of(page, "amount")).to_contain_text("stored 500")
    expect(row_of(page, "merchant_category")).to_contain_text("stored Travel")
    answer = predicted(server, SUSPICIOUS, amount=12.5, merchant_category="Food")
    assert shown_probability(page) == answer["fraud_probability"]
    page.get_by_text("The same from a terminal").click()
    expect(page.locator("#curl")).to_contain_text('{"amount":12.5,"merchant_category":"Food"}')
    page.get_by_role("button", name="Back to stored").click()
    expect(page.locator("#decision")).to_have_text("Alarm")
    assert shown_probability(page) == predicted(server, SUSPICIOUS)["fraud_probability"]


def test_value_that_is_not_allowed_is_refused_at_its_field(open_page: OpenPage) -> None:
    page, seen = open_page()
    seen.expected = "422"
    look_up(page, SUSPICIOUS)
    page.get_by_role("button", name="What if").click()
    page.get_by_label("transaction_hour").fill("24")
    expect(page.locator("#what-if-problem")).to_contain_text(
        "overrides.transaction_hour: Input should be less"
    )
    expect(page.get_by_label("transaction_hour")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("transaction_hour").fill("23")
    expect(page.locator("#what-if-problem")).to_be_hidden()
    expect(page.get_by_label("transaction_hour")).to_have_attribute("aria-invalid", "false")


def delay_answers(page: Page) -> None:
    """Let what the page asks about transactions take as long as over a slow network."""

    def later(route: Route) -> None:
        time.sleep(0.6)
        route.continue_()

    page.route("**/console/explain", later)


def press_at_once(page: Page, *steps: Sequence[str], typing_ms: int = 0) -> None:
    """Type into fields and press buttons within the page: quicker than Playwright's round trips.

    Args:
        page: where.
        steps: a selector each, and what to type into its field; none for a button.
        typing_ms: between two of them.
    """
    expect(page.locator(LOOK_UP)).to_be_enabled()
    page.evaluate(
        """async ([steps, pause]) => {
            for (const [selector, value] of steps) {
                const element = document.querySelector(selector);
                if (value === undefined) element.click();
                else {
                    element.value = value;
                    element.dispatchEvent(new Event("input", { bubbles: true }));
                }
                if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
            }
        }""",
        [[list(step) for step in steps], typing_ms],
    )


AMOUNT, LOOK_UP = "#features [aria-labelledby=name-amount]", "#lookup-form button"


@pytest.mark.parametrize(
    ("steps", "typing_ms"),
    [
        # Edited, and before the score follows the next one is looked up.
        ([(AMOUNT, "12.5"), ("#lookup", HARMLESS), (LOOK_UP,)], 0),
        # Edited while the next one is already looked up.
        ([("#lookup", HARMLESS), (LOOK_UP,), (AMOUNT, "12.5")], 50),
        # What was tried is taken back while the next one is looked up.
        ([(AMOUNT, "12.5"), ("#lookup", HARMLESS), (LOOK_UP,), ("#change",)], 20),
    ],
)
def test_next_look_up_wins_over_values_that_are_tried(
    open_page: OpenPage, server: ServerProcess, steps: Sequence[Sequence[str]], typing_ms: int
) -> None:
    page, _ = open_page()
    look_up(page, SUSPICIOUS)
    page.get_by_role("button", name="What if").click()
    delay_answers(page)
    press_at_once(page, *steps, typing_ms=typing_ms)
    # Longer than the page waits for the end of typing, and than two slow answers.
    page.wait_for_timeout(2000)
    expect(page.get_by_label("Transaction id")).to_have_value(HARMLESS)
    expect(page.locator("#judged-id")).to_have_text(HARMLESS)
    expect(page).to_have_url(re.compile(f"#id={HARMLESS}$"))
    assert shown_probability(page) == predicted(server, HARMLESS)["fraud_probability"]


def test_values_typed_just_before_they_are_taken_back_are_not_asked_for(open_page: OpenPage) -> None:
    page, _ = open_page()
    look_up(page, SUSPICIOUS)
    page.get_by_role("button", name="What if").click()
    page.get_by_label("amount").fill("12.5")
    expect(page.locator("#decision")).to_have_text("No alarm")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    press_at_once(page, (AMOUNT, "13"), ("#reset",))
    page.wait_for_timeout(500)
    expect(page.locator("#decision")).to_have_text("Alarm")
    assert [url.rpartition("/")[2] for url in asked].count("explain") == 1


def test_race_draws_both_ways_and_ends_with_the_number_of_reads(page: Page) -> None:
    run_race(page)
    for side in (".way-0", ".way-1"):
        assert page.locator(f"#chart {side} rect").count() >= 3
        expect(page.locator(f"#chart {side} text")).to_have_text(
            [re.compile("^P50"), re.compile("^P95"), re.compile("^P99")]
        )
    rows = page.locator("#numbers tr")
    expect(rows.locator("th")).to_have_text(["Feast", "Direct reads"])
    for number in (0, 1):
        counted, *percentiles = rows.nth(number).locator("td").all_inner_texts()
        assert counted == "200"
        milliseconds = [float(text) for text in percentiles]
        assert 0 < milliseconds[0] <= milliseconds[1] <= milliseconds[2]
    outcome = page.locator("#outcome").inner_text()
    assert re.match(r"Feast takes \d+\.\d\d times as long as direct reads at the median", outcome)
    assert "over 200 reads each. Both gave the same values each time." in outcome
    expect(page.locator("#race-method")).to_contain_text(
        "Both are awaited in the event loop, as predictions are."
    )


def test_race_can_be_stopped_and_says_what_it_had(page: Page) -> None:
    page.get_by_label("Reads each way").select_option("3000")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#numbers tr").first.locator("td").first).not_to_have_text("0")
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#outcome")).to_contain_text("Stopped.")
    assert 0 < int(page.locator("#numbers td").first.inner_text().replace(",", "")) < 3000
    run_race(page)


def test_server_of_direct_reads_races_against_feast(
    open_page: OpenPage, start: Callable[[str], ServerProcess]
) -> None:
    page, _ = open_page(start("poc/serve_model.py"))
    run_race(page)
    expect(page.locator("#numbers th")).to_have_text(["Direct reads", "Feast"])
    expect(page.locator("#outcome")).to_contain_text("Both gave the same values each time.")


def test_examples_look_themselves_up(page: Page) -> None:
    examples = page.locator("#examples button")
    expect(examples.first).to_contain_text(SUSPICIOUS)
    examples.first.click()
    expect(page.locator("#judged-id")).to_have_text(SUSPICIOUS)
    expect(page).to_have_url(re.compile(f"#id={SUSPICIOUS}$"))


def test_address_with_an_id_opens_that_transaction(open_page: OpenPage) -> None:
    page, _ = open_page(fragment=f"#id={SUSPICIOUS}")
    expect(page.locator("#judged-id")).to_have_text(SUSPICIOUS)


def test_server_that_does_not_answer_is_told_of_with_the_way_out(open_page: OpenPage) -> None:
    page, seen = open_page()
    seen.expected = "ERR_INTERNET_DISCONNECTED"
    expect(page.locator("#health")).to_have_text("Ready")
    page.context.set_offline(True)
    look_up(page, SUSPICIOUS)
    expect(page.locator("#lookup-problem")).to_contain_text("The server does not answer")
    expect(page.locator("#lookup-problem")).to_contain_text("python poc/serve_model_feast.py")
    page.context.set_offline(False)
    look_up(page, SUSPICIOUS)
    expect(page.locator("#lookup-problem")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(open_page: OpenPage, scheme: str) -> None:
    page, seen = open_page(color_scheme=scheme, reduced_motion="reduce")
    seen.expected = "404"

    def violations() -> list[str]:
        found = Axe().run(page).response["violations"]
        return [f"{item['id']}: {node['html'][:120]}" for item in found for node in item["nodes"]]

    expect(page.locator("#examples")).to_be_visible()
    assert violations() == []
    look_up(page, "nobody")
    expect(page.locator("#lookup-problem")).to_be_visible()
    assert violations() == []
    look_up(page, SUSPICIOUS)
    run_race(page)
    assert violations() == []
    page.get_by_role("button", name="What if").click()
    page.get_by_label("amount").fill("1")
    expect(page.get_by_role("button", name="Back to stored")).to_be_visible()
    assert violations() == []


def test_phone_needs_no_scrolling_to_the_side(open_page: OpenPage) -> None:
    page, seen = open_page(viewport=PHONE, is_mobile=True, has_touch=True)
    seen.expected = "404"

    def widest() -> int:
        return page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
        )

    expect(page.locator("#examples")).to_be_visible()
    assert widest() == PHONE["width"]
    look_up(page, "y" * 100)
    expect(page.locator("#lookup-problem")).to_be_visible()
    assert widest() == PHONE["width"]
    look_up(page, LONG)
    run_race(page)
    page.get_by_text("The same from a terminal").click()
    assert widest() == PHONE["width"]
    page.get_by_role("button", name="What if").click()
    page.get_by_label("amount").fill("123456789.25")
    expect(page.get_by_role("button", name="Back to stored")).to_be_visible()
    assert widest() == PHONE["width"]


def test_keyboard_alone_is_enough(page: Page) -> None:
    expect(page.locator("#examples")).to_be_visible()

    def tab_to(locator: Any) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if locator.evaluate("element => element === document.activeElement"):
                outline = locator.evaluate("element => getComputedStyle(element).outlineStyle")
                assert outline == "solid", "the focus cannot be seen"
                return
        raise AssertionError(f"Tab does not lead to {locator}")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the look-up")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Transaction id")).to_be_focused()
    page.keyboard.type(SUSPICIOUS)
    page.keyboard.press("Enter")
    expect(page.locator("#judged-id")).to_have_text(SUSPICIOUS)
    tab_to(page.get_by_role("button", name="What if"))
    page.keyboard.press("Enter")
    # The first field has the focus now.
    expect(page.locator("#features tr").first.locator("input, select")).to_be_focused()
    tab_to(page.get_by_label("Reads each way"))
    page.keyboard.press("ArrowUp")
    tab_to(page.get_by_role("button", name="Start"))
    page.keyboard.press("Enter")
    expect(page.locator("#outcome")).to_contain_text("over 200 reads each", timeout=RACE_MS)


def test_pictures_of_the_documents_are_taken_of_a_running_server(
    server: ServerProcess, root: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "scripts/take_screenshots.py", server.url, "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("light", "dark", "phone"):
        name = f"console-{shown}.png"
        assert 20_000 < (tmp_path / name).stat().st_size < 250_000
        assert name in done.stdout
        assert (root / "docs/images" / name).stat().st_size < 250_000


def test_pictures_of_a_server_that_is_not_there_are_a_failure(root: Path, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "scripts/take_screenshots.py", address, "--folder", str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
    assert "ERR_CONNECTION_REFUSED" in done.stdout


def test_page_of_the_api_needs_no_other_host(open_page: OpenPage) -> None:
    page, _ = open_page(fragment="docs")
    expect(page.get_by_text("/predict/batch")).to_be_visible(timeout=20_000)
