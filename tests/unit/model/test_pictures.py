from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from poc.model.evaluation import Costs, evaluate
from poc.model.report import draw_pictures

SCORES = np.linspace(0.001, 0.9, 200)
LABELS = (SCORES > 0.7).astype(np.int64)


@pytest.mark.parametrize("threshold", [0.5, 0.95])
def test_both_pictures_are_drawn_with_and_without_alarms(tmp_path: Path, threshold: float) -> None:
    evaluation = evaluate(SCORES, LABELS, threshold, Costs())
    curve, calibration = draw_pictures(tmp_path, SCORES, LABELS, evaluation)
    assert (curve.name, calibration.name) == ("pr_curve.png", "calibration.png")
    for path in (curve, calibration):
        height, width, _ = imread(path).shape
        assert (width, height) == (1080, 840)
