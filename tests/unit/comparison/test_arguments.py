from pathlib import Path

import pytest

from poc.comparison.arguments import read_arguments
from poc.comparison.comparison import Request

DATA = Path("data")


def test_results_go_to_the_data_folder_unless_told_otherwise() -> None:
    wanted = read_arguments("", DATA, [])
    assert (wanted.json, wanted.plot) == (DATA / "comparison.json", DATA / "comparison.png")
    assert wanted.request.batch_sizes == (1, 10, 100)


def test_all_options_are_taken() -> None:
    given = "--requests 7 --batch-sizes 50,1,50 --json a.json --plot b.png --seed 0"
    wanted = read_arguments("", DATA, given.split())
    assert wanted.request == Request(7, (50, 1), 0)
    assert (wanted.json, wanted.plot) == (Path("a.json"), Path("b.png"))


def test_named_ways_are_taken_and_all_are_without_names() -> None:
    wanted = read_arguments("", DATA, ["--methods", "feast-rows,feast", "--with", "feast-server"])
    assert (wanted.request.methods, wanted.request.also) == (("feast-rows", "feast"), ("feast-server",))
    assert (read_arguments("", DATA, []).request.methods, read_arguments("", DATA, []).request.also) == (
        None,
        (),
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("--requests 0", "argument --requests: '0' is not a whole number from 1 to 1,000,000"),
        ("--requests 1.5", "argument --requests: '1.5'"),
        ("--requests 1000001", "argument --requests: '1000001'"),
        ("--batch-sizes 1,,2", "argument --batch-sizes: ''"),
        ("--batch-sizes 1,0", "argument --batch-sizes: '0'"),
        ("--batch-sizes ten", "argument --batch-sizes: 'ten'"),
        (
            "--methods feast-stock",
            "argument --methods: 'feast-stock' is none of direct-cassandra-in, feast, ",
        ),
        ("--seed -1", "argument --seed: '-1' is not a whole number from 0"),
        ("--json same --plot ./same", "--json and --plot both name same"),
        ("--rounds 3", "unrecognized arguments: --rounds 3"),
    ],
)
def test_bad_arguments_are_named_with_status_two(
    given: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_arguments("", DATA, given.split())
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err
