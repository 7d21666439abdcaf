"""A comparison as JSON, for the pages and pictures that are made of it."""

from dataclasses import asdict
from typing import Any

import numpy as np

from poc.comparison.comparison import Comparison
from poc.comparison.methods import BASELINE_READ
from poc.comparison.statistics import Nanoseconds


def document(comparison: Comparison) -> dict[str, Any]:
    """Give `meta`, `methods`, `results`, `ratios` and `curves` as plain values.

    `statistics.percentile` defines percentiles. A curve is those from 0 to 100, in milliseconds.
    """
    baseline = comparison.methods[0].name
    return {
        "meta": {
            "time": comparison.time.isoformat(timespec="seconds"),
            "versions": asdict(comparison.versions),
            "machine": asdict(comparison.machine),
            "requests": comparison.request.requests,
            "seed": comparison.request.seed,
            "consistency": comparison.consistency,
            "baseline": BASELINE_READ,
        },
        "methods": [{"name": method.name, "title": method.title} for method in comparison.methods],
        "results": [
            {
                "method": name,
                "batch_size": result.batch_size,
                "requests": summary.requests,
                "mean_ms": _ms(summary.mean_ms),
                "p50_ms": _ms(summary.p50_ms),
                "p95_ms": _ms(summary.p95_ms),
                "p99_ms": _ms(summary.p99_ms),
            }
            for result in comparison.results
            for name, summary in result.summaries.items()
        ],
        "ratios": [
            {
                "method": name,
                "baseline": baseline,
                "batch_size": result.batch_size,
                "mean": _ratio(ratio.mean),
                "p50": _ratio(ratio.p50),
                "p50_ci95": [_ratio(ratio.p50_low), _ratio(ratio.p50_high)],
                "p99": _ratio(ratio.p99),
            }
            for result in comparison.results
            for name, ratio in result.ratios.items()
        ],
        "curves": [
            {"method": name, "batch_size": result.batch_size, "ms": _percentiles(taken)}
            for result in comparison.results
            for name, taken in result.measurement.nanoseconds.items()
        ],
    }


def _percentiles(taken: Nanoseconds) -> list[float]:
    """Give the nearest-rank percentiles 0 to 100, in whole numbers: 0.07 * 100 is more than 7."""
    ordered = np.sort(taken)
    ranks = [max(-(-percent * len(ordered) // 100), 1) for percent in range(101)]
    return [_ms(float(ordered[rank - 1]) / 1e6) for rank in ranks]


def _ms(value: float) -> float:
    """Round to microseconds; what is finer is the clock's and Python's own."""
    return round(value, 3)


def _ratio(value: float) -> float:
    return round(value, 4)
