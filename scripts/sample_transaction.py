"""Print the id of one transaction of the prepared data, to try a prediction with."""

from poc.command_line import run
from poc.settings import load_settings


def main() -> None:
    from poc.dataset.stored import sample_ids
    from poc.definitions import read_definitions

    ids = sample_ids(read_definitions(load_settings()), 10_000)
    print("12345" if "12345" in ids else ids[0])


if __name__ == "__main__":
    run(main)
