"""What the console's scripts work out, asked of them in the browser and held to Python's."""

import math
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page

from poc.measurement.core import compare, percentile


def call(page: Page, module: str, function: str, *arguments: object) -> Any:
    """Call an exported function of one of the page's modules."""
    return page.evaluate(
        """async ([module, name, given]) => {
            const found = await import(`/console/page/${module}`);
            return found[name](...given);
        }""",
        [module, function, list(arguments)],
    )


def latencies(seed: int, scale: float) -> list[float]:
    draw = random.Random(seed)
    return [scale * math.exp(draw.gauss(0, 0.5)) for _ in range(400)]


def test_percentiles_are_those_of_the_comparison(page: Page) -> None:
    for count in (1, 2, 99, 100, 400):
        nanoseconds = np.array([round(1e6 * value) for value in latencies(3, 1.0)[:count]])
        for percent in (1, 50, 95, 99, 100):
            found = call(page, "statistics.js", "percentile", sorted(nanoseconds.tolist()), percent)
            assert found == percentile(nanoseconds, percent), (count, percent)


def test_ratio_and_its_interval_are_those_of_the_comparison(page: Page) -> None:
    slow, fast = latencies(1, 1.3), latencies(2, 1.0)
    expected = compare(*(np.array([round(1e6 * value) for value in item]) for item in (slow, fast)), seed=1)
    found = call(page, "statistics.js", "ratio", slow, fast)
    assert found["middle"] == pytest.approx(expected["p50"], rel=1e-6)
    # Both intervals are drawn at random.
    assert found["low"] == pytest.approx(expected["p50_ci95"][0], rel=0.03)
    assert found["high"] == pytest.approx(expected["p50_ci95"][1], rel=0.03)
    assert found["low"] < found["middle"] < found["high"]


def test_contribution_is_worded_as_a_factor_on_the_odds(page: Page) -> None:
    words = {
        math.log(36.4): "× 36",
        -math.log(1.42): "÷ 1.4",
        math.log(9.96): "× 10",
        math.log(12345): "× 12,345",
        -math.log(1.07): "÷ 1.07",
        0.0: "no effect",
        0.004: "no effect",
    }
    assert worded(page, "factor", words) == words


KEYS = [{"name": "transaction_id", "kind": "text"}, {"name": "card_id", "kind": "whole"}]


@pytest.mark.parametrize(
    ("keys", "texts", "body"),
    [
        (KEYS[:1], ["12345"], '{"transaction_id": "12345"}'),
        (KEYS[:1], ['a"b'], '{"transaction_id": "a\\"b"}'),
        # More than a number of JavaScript can tell apart.
        (KEYS[1:], ["9223372036854775807"], '{"card_id": 9223372036854775807}'),
        # What is no whole number goes as it is typed: the server says what is wrong with it.
        (KEYS[1:], ["5.0"], '{"card_id": "5.0"}'),
        (KEYS[1:], ["007"], '{"card_id": "007"}'),
        (KEYS, ["t1", "-5"], '{"transaction_id": "t1", "card_id": -5}'),
    ],
)
def test_keys_are_asked_for_as_the_api_takes_them(
    page: Page, keys: list[dict[str, str]], texts: list[str], body: str
) -> None:
    assert call(page, "keys.js", "requestBody", keys, texts) == body


def test_race_names_several_keys_as_rows(page: Page) -> None:
    assert call(page, "keys.js", "rowList", KEYS[:1], [["a"], ["b"]]) == '["a", "b"]'
    assert call(page, "keys.js", "rowList", KEYS, [["a", "1"]]) == '[{"transaction_id": "a", "card_id": 1}]'


def test_link_names_every_key(page: Page) -> None:
    assert call(page, "lookup.js", "readLink", KEYS[:1], "id=12345") == ["12345"]
    assert call(page, "lookup.js", "readLink", KEYS, "transaction_id=a&card_id=5") == ["a", "5"]
    assert call(page, "lookup.js", "readLink", KEYS, "transaction_id=a") is None


def test_probability_is_never_rounded_to_certainty(page: Page) -> None:
    words = {
        0.80693: "80.7 %",
        0.0842: "8.4 %",
        0.00043: "0.043 %",
        0.000004: "< 0.001 %",
        0.0: "< 0.001 %",
        0.9995: "99.95 %",
        1.0: "> 99.99 %",
    }
    assert worded(page, "percent", words) == words


def test_age_is_told_in_its_largest_unit(page: Page) -> None:
    words = {-5: "0 s", 0.4: "0 s", 59: "59 s", 61: "1 min", 10_800: "3 h", 2_592_000: "30 d"}
    assert worded(page, "duration", words) == words


def worded(page: Page, function: str, numbers: Iterable[float]) -> dict[float, str]:
    """What a function of format.js makes of each number, spaces that keep a line together as plain ones."""
    return {number: call(page, "format.js", function, number).replace("\xa0", " ") for number in numbers}


def test_lowering_bar_ends_in_the_middle(page: Page) -> None:
    found = page.evaluate(
        """async () => {
            const { makeRows, showRows } = await import("/console/page/features.js");
            const named = (name) => ({ name, description: "", kind: "number", minimum: null, maximum: null });
            const rows = makeRows([named("a"), named("b")], { a: 1, b: 2 }, () => {});
            const prediction = { features: { a: 1, b: 2 }, overridden: [] };
            const contributions = { typical: { a: 0, b: 0 }, log_odds: { a: 4, b: -1 } };
            showRows(rows, prediction, contributions, { a: 1, b: 2 }, false);
            return rows.map(({ bar }) => [bar.className, bar.style.left, bar.style.width]);
        }"""
    )
    assert found == [["bar raises", "50%", "50%"], ["bar lowers", "37.5%", "12.5%"]]
