"""A comparison as JSON, for the pages and pictures that are made of it."""

from dataclasses import asdict
from typing import Any

from poc.comparison.comparison import Comparison


def document(comparison: Comparison) -> dict[str, Any]:
    """Give `meta`, `results` and `ratios` as plain values; `statistics.percentile` defines percentiles."""
    baseline = comparison.methods[0].name
    return {
        "meta": {
            "time": comparison.time.isoformat(timespec="seconds"),
            "versions": asdict(comparison.versions),
            "machine": asdict(comparison.machine),
            "requests": comparison.request.requests,
            "seed": comparison.request.seed,
            "consistency": comparison.consistency,
        },
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
                "p50": _ratio(ratio.p50),
                "p50_ci95": [_ratio(ratio.p50_low), _ratio(ratio.p50_high)],
                "p99": _ratio(ratio.p99),
            }
            for result in comparison.results
            for name, ratio in result.ratios.items()
        ],
    }


def _ms(value: float) -> float:
    """Round to microseconds; what is finer is the clock's and Python's own."""
    return round(value, 3)


def _ratio(value: float) -> float:
    return round(value, 4)
