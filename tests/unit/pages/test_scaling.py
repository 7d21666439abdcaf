from typing import Any

import pytest

from poc.pages.scaling import scaling_page


@pytest.fixture
def measured(documents: Any) -> Any:
    """Round results: 100 and 200 bytes, 20,000 and 10,000 rows/s, 100 reads in 5 ms, two cores."""
    documents["storage"] = {
        "meta": documents["comparison"]["meta"] | {"features": 8, "parquet_bytes": 30_000_000},
        "results": [
            {"layout": layout, "rows": 10**6, "bytes": {"Data.db": size}, "bytes_per_entity": size / 10**6}
            for layout, size in (("rows", 10**8), ("stock", 2 * 10**8))
        ],
    }
    rates = {"arrow-rows": 20_000, "arrow-stock-layout": 10_000}
    documents["materialization"]["results"] = [
        {"method": method, "driver": "acsylla", "rows": 10**6, "rows_per_second": rate}
        for method, rate in rates.items()
    ]
    single = {"method": "feast-rows-acsylla", "batch_size": 100, "mean_ms": 5.0}
    documents["comparison"]["results"].append(single)
    return documents


def line(page: str, *cells: str) -> list[str]:
    """Find the line of a table that begins with `cells`, as its cells."""
    lines = [[cell.strip() for cell in text.strip("|").split("|")] for text in page.splitlines()]
    [found] = [item for item in lines if item[: len(cells)] == list(cells)]
    return found


def test_disk_and_nodes_follow_from_bytes_copies_and_room(measured: Any) -> None:
    page = scaling_page(measured)
    # 10^10 × 100 bytes × 3 copies, in nodes that hold 1 TB each.
    assert line(page, "10^10", "`rows`")[2:4] == ["3.00 TB", "3"]
    assert line(page, "10^10", "`stock`")[2:4] == ["6.00 TB", "6"]


def test_few_entities_still_need_a_node_for_each_copy(measured: Any) -> None:
    assert line(scaling_page(measured), "10^8", "`rows`")[2:4] == ["0.03 TB", "3"]


def test_writing_time_counts_every_copy_on_half_of_the_cores(measured: Any) -> None:
    page = scaling_page(measured)
    # 3 × 10^10 ÷ (3 nodes × 8 busy cores × 10,000 a core and second) = 125,000 s.
    assert line(page, "10^10", "`rows`")[4] == "34.7 h"
    assert line(page, "10^8", "`rows`")[4] == "21 min"


def test_reads_of_one_copy_use_every_busy_core(measured: Any) -> None:
    # 3 nodes × 8 busy cores × 10,000 reads a core and second.
    assert line(scaling_page(measured), "10^8", "`rows`")[5] == "240,000"


def test_results_without_acsylla_make_no_page(measured: Any) -> None:
    measured["materialization"]["results"] = []
    with pytest.raises(ValueError):
        scaling_page(measured)
