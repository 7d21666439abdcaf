import numpy as np
import pandas as pd
import pytest

from poc.errors import TooFewExamples
from poc.model.examples import split_by_time, time_span


def examples(moments: list[int], labels: list[int]) -> pd.DataFrame:
    times = pd.to_datetime(np.array(moments) * 3600, unit="s", utc=True)
    return pd.DataFrame({"event_timestamp": times, "is_fraud": labels})


def test_each_part_is_later_than_the_one_before() -> None:
    split = split_by_time(examples(list(range(10)), [0, 1] * 5))
    assert [len(part) for part in split] == [6, 2, 2]
    assert time_span(split.training)[1] < time_span(split.validation)[0]
    assert time_span(split.validation)[1] < time_span(split.test)[0]


def test_rows_of_one_moment_stay_together() -> None:
    split = split_by_time(examples([0, 1, 2, 3, 5, 5, 5, 5, 8, 9], [0, 1] * 5))
    assert [len(part) for part in split] == [4, 4, 2]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([0, 0, 0, 0, 0, 0, 0, 1, 0, 1], "training part has 6 rows and no fraud"),
        ([0, 1, 0, 1, 0, 1, 1, 1, 0, 1], "validation part has 2 rows and nothing but frauds"),
        ([0, 1, 0, 1, 0, 1, 0, 1, 0, 0], "test part has 2 rows and no fraud"),
    ],
)
def test_part_without_both_kinds_is_named(labels: list[int], said: str) -> None:
    with pytest.raises(TooFewExamples, match=said):
        split_by_time(examples(list(range(10)), labels))


@pytest.mark.parametrize(
    ("moments", "said"),
    [
        ([5] * 10, "training part has no rows: 10 of the 10 rows have one time, 1970-01-01T05:00:00Z"),
        ([0, 1, 2, 3, 4, 5, 6, 6, 6, 6], "validation part has no rows: 4 of the 10"),
    ],
)
def test_part_without_rows_says_at_which_time_they_all_are(moments: list[int], said: str) -> None:
    with pytest.raises(TooFewExamples, match=said):
        split_by_time(examples(moments, [0, 1] * 5))


def test_no_rows_are_too_few() -> None:
    with pytest.raises(TooFewExamples, match="no features were known for any label"):
        split_by_time(examples([], []))
