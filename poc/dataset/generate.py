"""Generate records for a project that has no data yet: the same seed, the same records.

Columns follow the declarations: those of the public file have its distributions (`payments`), any
other declared feature gets values from its type and its limits. Each column has random numbers of
its own, so a feature that is declared later changes no other column.
"""

from collections.abc import Sequence
from datetime import datetime, time, timezone
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from poc.dataset.column_types import LABEL, TIME, arrow_type, key_columns
from poc.dataset.limits import Limits, read_limits
from poc.dataset.payments import CATEGORIES, CATEGORY, HOUR, QUANTILES, SAMPLES, Numbers, fraud_labels
from poc.definitions import Feature, FeatureSet

if TYPE_CHECKING:
    import pandas as pd

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
    """Generate one record a transaction, in the form of the public file: no timestamps.

    Args:
        ids: the transactions; when not given, 9,997 with the guide's three sample ids among them.

    Returns:
        Join key, features in declared order and label, as the source calls them, with the declared types.
    """
    frame: pd.DataFrame = _records(definitions, seed, _ids() if ids is None else ids).to_pandas()
    return frame


def generate_dataset(definitions: FeatureSet, seed: int = SEED) -> pa.Table:
    """Generate 10,000 records: `generate_records`, and an older one of each of the guide's samples.

    Returns:
        The columns of `generate_records` and the event time: that of the older records in November
        2024, null for the others.
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
    stamped = [
        records.append_column(definitions.timestamp_column, column)
        for records, column in ((current, pa.nulls(current.num_rows, TIME)), (earlier, pa.array(times, TIME)))
    ]
    return pa.concat_tables(stamped).combine_chunks()


def uniform(seed: int, name: str, count: int) -> Numbers:
    """Give `count` numbers of [0, 1) that depend on nothing but `seed` and `name`."""
    own = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, own]).random(count)


def _ids() -> list[str]:
    """1, 2, 3, ... and the samples' ids, so many that RECORDS are reached with their older records."""
    samples = [sample.transaction_id for sample in SAMPLES]
    return [str(number) for number in range(1, RECORDS - 2 * len(samples) + 1)] + samples


def _records(definitions: FeatureSet, seed: int, ids: Sequence[str]) -> pa.Table:
    count = len(ids)
    payments = {name: quantiles(uniform(seed, name, count)) for name, quantiles in QUANTILES.items()}
    places = {transaction_id: place for place, transaction_id in enumerate(ids)}
    for sample in SAMPLES:
        place = places.get(sample.transaction_id)
        if place is not None:
            for name, value in sample.values.items():
                payments[name][place] = value
    [key] = key_columns(definitions)
    columns = {key: pa.array(ids, pa.string())}
    for feature in definitions.features:
        columns[definitions.column(feature.name)] = _column(feature, payments.get(feature.name), seed, count)
    chance, noise = (uniform(seed, f"{LABEL} {part}", count) for part in ("chance", "noise"))
    columns[LABEL] = pa.array(fraud_labels(payments, chance, noise))
    return pa.table(columns)


def _column(feature: Feature, payments: Numbers | None, seed: int, count: int) -> pa.Array:
    kind = arrow_type(feature)
    limits = read_limits(feature)
    if feature.name == CATEGORY and limits.values is None:
        limits = Limits(values=CATEGORIES)
    if payments is not None and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        bounded = payments
        if limits.minimum is not None or limits.maximum is not None:
            bounded = np.clip(payments, limits.minimum, limits.maximum)
        return pa.array(bounded).cast(kind, safe=not pa.types.is_floating(kind))
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
        low, high = _span(limits, 100)
        # Python's integers: the span of two 64-bit bounds does not fit into 64 bits.
        width = int(high) - int(low) + 1
        return pa.array([min(int(low) + int(part * width), int(high)) for part in uniforms.tolist()], kind)
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
    """Give both bounds; one that is not declared lies `width` from the other."""
    low, high = limits.minimum, limits.maximum
    if low is None:
        low = 0 if high is None else min(0, high - width)
    if high is None:
        high = low + width
    return low, high
