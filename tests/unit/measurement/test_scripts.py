from pathlib import Path

import pytest

from poc.errors import NotInProjectFolder
from poc.measurement.comparison import BASELINE, KNOWN, Request
from poc.measurement.scripts import read_request, require_results
from poc.settings import Settings

DATA = Path("data")


def test_results_go_to_the_data_folder_unless_told_otherwise() -> None:
    request, json, plot = read_request("", DATA, [])
    assert (json, plot) == (DATA / "comparison.json", DATA / "comparison.png")
    assert request == Request(1000, (1, 10, 100), 1)


def test_help_says_what_each_option_is_by_default(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        read_request("Compare.", DATA, ["--help"])
    said = " ".join(capsys.readouterr().out.split())
    ways = ", ".join(name for name in KNOWN if name != BASELINE)
    for option in (
        "Compare. options:",
        "--requests N reads of one transaction each way; a batch of n gets N/n, but at least 200 or N,"
        " whichever is less (default: 1000) --",
        "--batch-sizes N,N,... transactions a read (default: 1,10,100) --",
        "--json FILE numbers (default: data/comparison.json) --",
        f"--methods NAME,NAME,... ways to read beside direct-cassandra: {ways}"
        " (default: all that can be had but direct-acsylla and feast-server) --",
        "--with NAME,NAME,... ways to read beside the default ones --",
        "--plot FILE picture, a PNG (default: data/comparison.png) --",
    ):
        assert option in said
    assert said.endswith("--seed N which transactions are read, and in which order (default: 1)")


def test_largest_numbers_that_are_taken() -> None:
    request, _, _ = read_request("", DATA, ["--requests", "1000000", "--seed", str(2**32 - 1)])
    assert (request.requests, request.seed) == (1_000_000, 2**32 - 1)


def test_all_options_are_taken() -> None:
    given = "--requests 7 --batch-sizes 50,1,50 --json a.json --plot b.png --seed 0"
    request, json, plot = read_request("", DATA, given.split())
    assert request == Request(7, (50, 1), 0)
    assert (json, plot) == (Path("a.json"), Path("b.png"))


def test_named_ways_are_taken_and_all_are_without_names() -> None:
    request, _, _ = read_request("", DATA, ["--methods", "feast-rows,feast", "--with", "feast-server"])
    assert (request.methods, request.also) == (("feast-rows", "feast"), ("feast-server",))
    everything, _, _ = read_request("", DATA, [])
    assert (everything.methods, everything.also) == (None, ())


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
        ("--seed 4294967296", "argument --seed: '4294967296' is not a whole number from 0 to 4,294,967,295"),
        ("--methods direct-cassandra", "'direct-cassandra' is none of"),
        ("--batch-sizes 1,1000001", "argument --batch-sizes: '1000001'"),
        ("--seed -1", "argument --seed: '-1' is not a whole number from 0"),
        ("--json same --plot ./same", "--json and --plot both name same"),
        ("--rounds 3", "unrecognized arguments: --rounds 3"),
    ],
)
def test_bad_arguments_are_named_with_status_two(
    given: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        read_request("", DATA, given.split())
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err


def test_where_nothing_is_to_be_measured_no_folder_is_made_for_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotInProjectFolder):
        require_results(Settings(_env_file=None), Path("data/benchmarks/serving.json"))
    assert list(tmp_path.iterdir()) == []
