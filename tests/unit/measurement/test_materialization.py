from importlib.util import find_spec

from poc.measurement.materialization import Run, Way, left_out, summarized, ways

STOCK, ROWS = Way("stock", "cassandra-driver"), Way("arrow-rows", "cassandra-driver")


def run(way: Way, rows: int, seconds: float, peak_mib: float = 200.0) -> Run:
    return Run(way, rows, seconds, peak_mib, 100.0)


def test_median_of_the_runs_counts_and_the_greatest_peak() -> None:
    (found,) = summarized([run(ROWS, 100, seconds, peak) for seconds, peak in ((1, 210), (9, 250), (2, 220))])
    assert (found["median_seconds"], found["rows_per_second"], found["peak_mib"]) == (2, 50, 250)
    assert found["seconds"] == [1, 9, 2]
    assert found["before_mib"] == 100


def test_seconds_are_told_to_the_millisecond_and_ratios_to_a_hundredth() -> None:
    stock, rows = summarized([run(STOCK, 100, 1.0006), run(ROWS, 100, 0.31049)])
    assert (stock["seconds"], stock["median_seconds"]) == ([1.001], 1.001)
    assert (rows["seconds"], rows["median_seconds"]) == ([0.31], 0.31)
    assert rows["times_as_fast_as_stock"] == 3.22


def test_speed_is_compared_with_feasts_own_engine_at_the_same_size() -> None:
    found = summarized([run(ROWS, 100, 2), run(STOCK, 100, 10), run(ROWS, 1000, 4)])
    assert [(item["method"], item["rows"], item["times_as_fast_as_stock"]) for item in found] == [
        ("stock", 100, 1.0),
        ("arrow-rows", 100, 5.0),
        ("arrow-rows", 1000, None),
    ]


def test_what_was_not_measured_is_named_with_the_minutes_it_would_take() -> None:
    results = summarized([run(STOCK, 100, 10), run(ROWS, 100, 1), run(ROWS, 6000, 60)])
    assert left_out(results, [100, 6100], [STOCK, ROWS]) == [
        {"method": "stock", "driver": "cassandra-driver", "rows": 6100, "would_take_minutes": 10.2},
        {"method": "arrow-rows", "driver": "cassandra-driver", "rows": 6100, "would_take_minutes": 1.0},
    ]


def test_of_what_was_never_measured_nobody_knows_how_long_it_takes() -> None:
    [missing] = left_out([], [100], [STOCK])
    assert missing["would_take_minutes"] is None


def test_ways_are_told_by_their_drivers_that_are_installed() -> None:
    drivers = {way.driver for way in ways()}
    assert drivers == {"cassandra-driver"} | ({"acsylla"} if find_spec("acsylla") is not None else set())
