from poc.measurement.materialization import Run, Way, left_out, summarized

STOCK, ROWS = Way("stock", "cassandra-driver"), Way("arrow-rows", "cassandra-driver")


def run(way: Way, rows: int, seconds: float, peak_mib: float = 200.0) -> Run:
    return Run(way, rows, seconds, peak_mib, 100.0)


def test_median_of_the_runs_counts_and_the_greatest_peak() -> None:
    (found,) = summarized([run(ROWS, 100, seconds, peak) for seconds, peak in ((1, 210), (9, 250), (2, 220))])
    assert (found["median_seconds"], found["rows_per_second"], found["peak_mib"]) == (2, 50, 250)
    assert found["seconds"] == [1, 9, 2]


def test_speed_is_compared_with_feasts_own_engine_at_the_same_size() -> None:
    found = summarized([run(ROWS, 100, 2), run(STOCK, 100, 10), run(ROWS, 1000, 4)])
    assert [(item["method"], item["rows"], item["times_as_fast_as_stock"]) for item in found] == [
        ("stock", 100, 1.0),
        ("arrow-rows", 100, 5.0),
        ("arrow-rows", 1000, None),
    ]


def test_what_was_not_measured_is_named_with_the_minutes_it_would_take() -> None:
    results = summarized([run(STOCK, 100, 10), run(ROWS, 100, 1), run(ROWS, 6000, 60)])
    assert left_out(results, [100, 6000], [STOCK, ROWS]) == [
        {"method": "stock", "driver": "cassandra-driver", "rows": 6000, "would_take_minutes": 10.0}
    ]
