import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poc.errors import OutputNotWritable
from poc.measurement.comparison import rounded
from poc.measurement.pictures import curve_labels, draw_comparison


def size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_curve_is_named_with_its_ratio_and_the_baseline_without_one(comparison: Any) -> None:
    found = rounded(comparison({1: ([1.0] * 9, [3.0] * 9), 10: ([1.0] * 9, [2.0] * 9)}))
    assert curve_labels(found, 1) == {
        "direct-cassandra": "Direct Cassandra\nP50 1.0 ms, P99 1.0 ms",
        "feast": "Feast: 3.00 times (3.00 to 3.00)\nP50 3.0 ms, P99 3.0 ms",
    }
    assert curve_labels(found, 10)["feast"].startswith("Feast: 2.00 times (2.00 to 2.00)")


@pytest.fixture
def latencies() -> tuple[list[float], list[float]]:
    generator = np.random.default_rng(0)
    return list(generator.lognormal(0, 0.4, 50)), list(generator.lognormal(1, 0.4, 50))


def test_picture_is_a_png_with_a_panel_a_batch_size(comparison: Any, latencies: Any, tmp_path: Path) -> None:
    heights = []
    for sizes in ((1,), (1, 10), (1, 10, 100)):
        draw_comparison(rounded(comparison(dict.fromkeys(sizes, latencies))), tmp_path / "picture")
        heights.append(size(tmp_path / "picture")[1])
    assert heights[1] - heights[0] == heights[2] - heights[1] > 200


def test_single_round_and_equal_latencies_can_be_drawn(comparison: Any, tmp_path: Path) -> None:
    draw_comparison(rounded(comparison({1: ([1.0], [1.0])})), tmp_path / "picture.png")
    assert size(tmp_path / "picture.png")[0] == 1350


def test_picture_that_cannot_be_written_is_an_error_with_the_path(
    comparison: Any, latencies: Any, tmp_path: Path
) -> None:
    with pytest.raises(OutputNotWritable, match=r"missing/picture\.png"):
        draw_comparison(rounded(comparison({1: latencies})), tmp_path / "missing" / "picture.png")
