"""What Cassandra's refusals mean, by the words that it has for them."""

import pytest

from poc.online_store.errors import FeaturesOutdated, OnlineTableMissing
from poc.online_store.failures import refusal

BEFORE = 'Error from server: code=2200 [Invalid query] message="'


@pytest.mark.parametrize(
    "words", ["table t does not exist", "keyspace k doesn't exist", "unconfigured table t"]
)
def test_table_that_is_not_there_is_told_in_cassandras_words(words: str) -> None:
    told = refusal(f'{BEFORE}{words}"')
    assert isinstance(told, OnlineTableMissing)
    assert f"as it is asked for: {words}" in told.what
    assert 'message="' not in told.what
    assert '"' not in told.what.partition(words)[2]


def test_who_knows_better_what_is_missing_says_so() -> None:
    better = FeaturesOutdated("better")
    assert refusal("unconfigured table t", lambda: better) is better


@pytest.mark.parametrize(
    "words",
    [
        "Undefined column name a in table k.t",
        "Unknown identifier a",
        "Undefined name a in selection clause",
        "Cannot assign value 1 to a",
    ],
)
def test_column_that_is_another_is_told_with_the_definitions(words: str) -> None:
    told = refusal(f'{BEFORE}{words}"')
    assert isinstance(told, FeaturesOutdated)
    assert f"differs from the definitions: {words}" in told.what
    assert BEFORE not in told.what


def test_statement_that_is_itself_at_fault_is_nothing_of_these() -> None:
    assert refusal(f'{BEFORE}line 1:7 no viable alternative"') is None


def test_message_keeps_what_it_quotes() -> None:
    told = refusal(f'{BEFORE}table message="t" does not exist"')
    assert told is not None
    assert 'table message="t" does not exist' in told.what
