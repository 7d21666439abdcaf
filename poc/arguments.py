"""Numbers that scripts are told on their command lines."""

import argparse

MOST = 100_000_000


def whole_number(text: str) -> int:
    """Read a whole number above 0; an ArgumentTypeError where it is none."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {MOST:,}")
    return number


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers above 0 with commas between them; one that is repeated counts once."""
    return tuple(dict.fromkeys(whole_number(part) for part in text.split(",")))
