"""Each error is made of what its two sentences have places for: no raise says less, nor more."""

import ast
import inspect
from pathlib import Path
from string import Formatter

import pytest

import poc.lake.errors
from poc import errors
from poc.errors import PocError

TYPES = {
    name: item
    for module in (errors, poc.lake.errors)
    for name, item in vars(module).items()
    if isinstance(item, type) and issubclass(item, PocError)
}


def raised() -> list[tuple[str, ast.Call]]:
    """Every call of an error type in the code and the scripts, with its place."""
    root, found = Path(__file__).parents[2], []
    for path in sorted([*(root / "poc").rglob("*.py"), *(root / "scripts").glob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text())):
            called = getattr(node, "func", None)
            if getattr(called, "id", getattr(called, "attr", None)) in TYPES:
                found.append((f"{path.relative_to(root)}:{node.lineno}", node))
    return found


@pytest.mark.parametrize(("place", "call"), [pytest.param(*item, id=item[0]) for item in raised()])
def test_error_is_raised_with_what_it_tells(place: str, call: ast.Call) -> None:
    kind = TYPES[getattr(call.func, "id", None) or call.func.attr]
    given = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    starred = len(given) < len(call.args)
    if kind.__init__ is not PocError.__init__:
        own = inspect.signature(kind.__init__)
        (own.bind_partial if starred else own.bind)(None, *given, **named)
        return
    sentences = kind.told if "way_out" in named else kind.told + kind.way_out
    parsed = Formatter().parse(sentences)
    places = list(dict.fromkeys(name.split(".")[0] for _, name, _, _ in parsed if name))
    assert len(given) < len(places) if starred else len(given) == len(places)
    # One that is called as a place stands in that place: types do not tell two that are swapped.
    called = [getattr(argument, "id", getattr(argument, "attr", None)) for argument in given]
    assert starred or all(name not in places or name == places[at] for at, name in enumerate(called))


def test_several_things_are_told_with_commas_or_a_line_each() -> None:
    class Told(PocError):
        told = "{few} of {some:; }, not:{others:lines}"
        way_out = "Take {few}."

    error = Told(["a", "b"], ("c", "d"), ["e", "f"])
    assert error.what == "a, b of c; d, not:\n    e\n    f"
    assert error.way_out == "Take a, b."
    assert error.about == {"few": ("a", "b"), "some": ("c", "d"), "others": ("e", "f")}


def test_what_is_told_may_have_braces_and_an_error_a_way_out_of_its_own() -> None:
    assert PocError("a {b}", "c {d}").way_out == "c {d}"
    assert errors.OutputNotWritable("a", "b", way_out="c {d}").way_out == "c {d}"


def test_less_than_is_told_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        errors.ModelUnusable("fraud_detection")
