"""Generate records for a project that has no data yet: the same seed, the same records.

Columns follow the declarations: those of the public "credit card fraud 10k" file have its distributions,
any other declared feature gets values from its type and its limits. Every column is a function of uniform
numbers of its own, one a row: a feature that is declared later changes no other column, and no version of
NumPy does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timezone
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from poc.dataset.columns import LABEL, TIME, Limits, arrow_type, integer_range, key_columns, read_limits
from poc.definitions import Feature, FeatureSet

if TYPE_CHECKING:
    import pandas as pd

Numbers = NDArray[np.float64]
Quantiles = Callable[[Numbers], Numbers]

HOUR = "transaction_hour"
AMOUNT = "amount"
CATEGORY = "merchant_category"
CATEGORIES = ("Clothing", "Electronics", "Food", "Grocery", "Travel")


@dataclass(frozen=True, slots=True)
class Sample:
    """A payment of the guide, generated where it states no value; `earlier`: day of its older record."""

    transaction_id: str
    values: Mapping[str, float]
    earlier: date


SAMPLES = (
    Sample("12345", {AMOUNT: 500.0, HOUR: 14}, date(2024, 11, 27)),
    Sample("67890", {AMOUNT: 150.0}, date(2024, 11, 28)),
    Sample("11111", {AMOUNT: 1200.0}, date(2024, 11, 29)),
)


def _whole(low: int, high: int) -> Quantiles:
    """Uniform over low..high, both included."""
    return lambda uniform: low + np.floor(uniform * (high - low + 1))


def _share(probability: float) -> Quantiles:
    """1 with `probability`, else 0."""
    return lambda uniform: (uniform >= 1 - probability).astype(float)


def _poisson(mean: float, most: int = 40) -> Quantiles:
    """Poisson; beyond `most` the probability is below what a float can tell from none."""
    ratios = mean / np.arange(1, most + 1)
    cumulated = np.cumsum(np.exp(-mean) * np.concatenate([[1.0], np.cumprod(ratios)]))
    return lambda uniform: np.searchsorted(cumulated, uniform, side="right").astype(float)


QUANTILES: Mapping[str, Quantiles] = {
    # Exponential with a mean of 176, rounded to cents.
    AMOUNT: lambda uniform: np.round(-176.0 * np.log1p(-uniform), 2),
    HOUR: _whole(0, 23),
    "foreign_transaction": _share(0.098),
    "location_mismatch": _share(0.086),
    "device_trust_score": _whole(25, 99),
    "velocity_last_24h": _poisson(2.0),
    "cardholder_age": _whole(18, 69),
}

# Chosen so that about 1.5 % of payments are fraudulent and a boosted-tree model reaches a PR-AUC of
# 0.7 to 0.8 in cross-validation (0.6 to 0.85 on one newest fifth, which holds only some 20 frauds).
_STEEPNESS = 12.0
_THRESHOLD = 4.0
_LABEL_NOISE = 0.0015


def fraud_labels(payments: Mapping[str, Numbers], chance: Numbers, noise: Numbers) -> NDArray[np.int64]:
    """Decide which payments are fraud: `chance` by their risk; `noise` makes some labels wrong."""
    risk = (
        1.2 * (payments[HOUR] <= 5)
        + 1.1 * payments["foreign_transaction"]
        + 1.2 * payments["location_mismatch"]
        + 1.5 * (99 - payments["device_trust_score"]) / 74
        + 1.0 * np.minimum(payments["velocity_last_24h"], 6) / 6
        + 0.9 * np.minimum(payments[AMOUNT], 1000) / 1000
    )
    probability = 1 / (1 + np.exp(-_STEEPNESS * (risk - _THRESHOLD)))
    fraudulent = np.logical_xor(chance < probability, noise < _LABEL_NOISE)
    return np.asarray(fraudulent, np.int64)


SEED = 38
RECORDS = 10_000
_ELEMENTS = 3
_EPOCH_SECONDS = 1_704_067_200  # 2024-01-01, where generated times begin.
_YEAR_SECONDS = 366 * 86_400


def can_generate(definitions: FeatureSet) -> bool:
    """Tell whether there are records for `definitions`: their ids are texts, one a record."""
    kinds = [str(key.dtype) for key in definitions.join_keys]
    return kinds == ["String"] and bool(definitions.features) and bool(definitions.timestamp_column)


def generate_records(
    definitions: FeatureSet, seed: int = SEED, ids: Sequence[str] | None = None
) -> "pd.DataFrame":
    """Generate one record a transaction, in the form of the public file: join key, features, label, no times.

    Without `ids` of the transactions there are 9,997, with the guide's three sample ids among them.
    """
    frame: pd.DataFrame = _records(definitions, seed, _ids() if ids is None else ids).to_pandas()
    return frame


def generate_dataset(definitions: FeatureSet, seed: int = SEED) -> pa.Table:
    """Generate 10,000 records: `generate_records`, and an older one of each of the guide's samples.

    The event time of the older ones lies in November 2024; that of the others is null.
    """
    samples = [sample.transaction_id for sample in SAMPLES]
    earlier = _records(definitions, seed + 1, samples)
    hour = definitions.column(HOUR)
    hours = earlier.column(hour).to_pylist() if hour in earlier.column_names else [0] * len(SAMPLES)
    times = [
        datetime.combine(sample.earlier, time(int(hour) % 24), timezone.utc)
        for sample, hour in zip(SAMPLES, hours, strict=True)
    ]
    current = _records(definitions, seed, _ids())
    moment = definitions.timestamp_column
    current = current.append_column(moment, pa.nulls(current.num_rows, TIME))
    return pa.concat_tables([current, earlier.append_column(moment, pa.array(times, TIME))]).combine_chunks()


def uniform(seed: int, name: str, count: int) -> Numbers:
    """Return `count` numbers of [0, 1) that depend on nothing but `seed` and `name`."""
    own = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, own]).random(count)


def _ids() -> list[str]:
    """1, 2, 3, ... and the samples' ids, so many that RECORDS are reached with their older records."""
    samples = [sample.transaction_id for sample in SAMPLES]
    return [str(number) for number in range(1, RECORDS - 2 * len(samples) + 1)] + samples


def _records(definitions: FeatureSet, seed: int, ids: Sequence[str]) -> pa.Table:
    count = len(ids)
    payments = {name: quantiles(uniform(seed, name, count)) for name, quantiles in QUANTILES.items()}
    for sample in SAMPLES:
        if sample.transaction_id in ids:
            place = ids.index(sample.transaction_id)
            for name, value in sample.values.items():
                payments[name][place] = value
    [key] = key_columns(definitions)
    columns = {key: pa.array(ids, pa.string())}
    for feature in definitions.features:
        columns[definitions.column(feature.name)] = _column(feature, payments.get(feature.name), seed, count)
    chance, noise = (uniform(seed, f"{LABEL} {part}", count) for part in ("chance", "noise"))
    columns[definitions.column(LABEL)] = pa.array(fraud_labels(payments, chance, noise))
    return pa.table(columns)


def _column(feature: Feature, payments: Numbers | None, seed: int, count: int) -> pa.Array:
    kind = arrow_type(feature)
    limits = read_limits(feature)
    if feature.name == CATEGORY and limits.values is None:
        limits = Limits(values=CATEGORIES)
    if payments is not None and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        if limits.minimum is not None or limits.maximum is not None:
            payments = np.clip(payments, limits.minimum, limits.maximum)
        if pa.types.is_integer(kind):
            payments = np.rint(payments)
        return pa.array(payments).cast(kind, safe=not pa.types.is_floating(kind))
    if pa.types.is_list(kind):
        elements = uniform(seed, feature.name, count * _ELEMENTS)
        offsets = pa.array(range(0, count * _ELEMENTS + 1, _ELEMENTS), pa.int32())
        return pa.ListArray.from_arrays(offsets, _values(feature.name, kind.value_type, limits, elements))
    return _values(feature.name, kind, limits, uniform(seed, feature.name, count))


def _values(name: str, kind: pa.DataType, limits: Limits, uniforms: Numbers) -> pa.Array:
    """Spread `uniforms` evenly over what the type and the limits allow."""
    if pa.types.is_floating(kind):
        low, high = _span(limits, 1.0)
        return pa.array(low * (1 - uniforms) + high * uniforms).cast(kind, safe=False)
    if pa.types.is_integer(kind):
        least, most = integer_range(kind)
        low, high = (min(max(int(bound), least), most) for bound in _span(limits, 100))
        # Python's integers: the span of two 64-bit bounds does not fit into 64 bits.
        width = high - low + 1
        return pa.array([min(low + int(part * width), high) for part in uniforms.tolist()], kind)
    if pa.types.is_boolean(kind):
        return pa.array(uniforms < 0.5)
    if pa.types.is_timestamp(kind):
        return pa.array(((_EPOCH_SECONDS + uniforms * _YEAR_SECONDS) * 1e6).astype(np.int64)).cast(kind)
    if pa.types.is_binary(kind):
        return pa.array([number.tobytes() for number in uniforms], kind)
    values = limits.values
    if values is None:
        values = tuple(f"{name}-{number}" for number in range(1, 6))
    return pa.array([values[int(part * len(values))] for part in uniforms.tolist()], kind)


def _span(limits: Limits, width: float) -> tuple[float, float]:
    """Return both bounds; one that is not declared lies `width` from the other."""
    low, high = limits.minimum, limits.maximum
    if low is None:
        low = 0 if high is None else min(0, high - width)
    if high is None:
        high = low + width
    return low, high
