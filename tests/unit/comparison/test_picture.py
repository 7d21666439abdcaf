import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poc.comparison.picture import COLOURS, curves_by_batch_size, draw
from poc.comparison.report import document
from poc.errors import OutputNotWritable


def size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_curves_keep_their_colours_and_bring_their_ratios(comparison: Any) -> None:
    found = curves_by_batch_size(
        document(comparison({1: ([1.0] * 9, [3.0] * 9), 10: ([1.0] * 9, [2.0] * 9)}))
    )
    assert [[curve.colour for curve in curves] for curves in found.values()] == [list(COLOURS[:2])] * 2
    assert [curve.ratio for curve in found[10]] == [None, (2.0, 2.0, 2.0)]
    assert found[1][1].label == "Feast: 3.00 times (3.00 to 3.00)\nP50 3.0 ms, P99 3.0 ms"


@pytest.fixture
def latencies() -> tuple[list[float], list[float]]:
    generator = np.random.default_rng(0)
    return list(generator.lognormal(0, 0.4, 50)), list(generator.lognormal(1, 0.4, 50))


def test_picture_is_a_png_with_a_panel_a_batch_size(comparison: Any, latencies: Any, tmp_path: Path) -> None:
    heights = []
    for sizes in ((1,), (1, 10), (1, 10, 100)):
        draw(document(comparison(dict.fromkeys(sizes, latencies))), tmp_path / "picture")
        heights.append(size(tmp_path / "picture")[1])
    assert heights[1] - heights[0] == heights[2] - heights[1] > 200


def test_single_round_and_equal_latencies_can_be_drawn(comparison: Any, tmp_path: Path) -> None:
    draw(document(comparison({1: ([1.0], [1.0])})), tmp_path / "picture.png")
    assert size(tmp_path / "picture.png")[0] == 1350


def test_picture_that_cannot_be_written_is_an_error_with_the_path(
    comparison: Any, latencies: Any, tmp_path: Path
) -> None:
    with pytest.raises(OutputNotWritable, match=r"missing/picture\.png"):
        draw(document(comparison({1: latencies})), tmp_path / "missing" / "picture.png")
