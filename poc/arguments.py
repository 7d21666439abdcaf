"""Numbers that scripts are told on their command lines."""

import argparse

MOST = 100_000_000


def whole_number(text: str, least: int = 1, most: int = MOST) -> int:
    """Read a whole number from `least` to `most`; an ArgumentTypeError where it is none."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most:,}")
    return number


def whole_numbers(text: str, most: int = MOST) -> tuple[int, ...]:
    """Read whole numbers above 0 with commas between them; one that is repeated counts once."""
    return tuple(dict.fromkeys(whole_number(part, most=most) for part in text.split(",")))
