import argparse

import pytest

from poc.arguments import whole_number, whole_numbers


def test_numbers_are_taken_in_their_order_once() -> None:
    assert whole_numbers("100,10,100") == (100, 10)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "many", "100000001"])
def test_what_is_no_whole_number_is_refused_by_its_text(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=f"{text!r} is not a whole number"):
        whole_number(text)
