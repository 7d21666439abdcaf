"""What the engine makes of Spark's long-winded errors, and of its settings."""

import pytest
from pydantic import ValidationError

from poc.lake.engine import (
    SparkLakeMaterializationEngine,
    SparkLakeMaterializationEngineConfig,
    said_by_python,
)

SPARKS_TEXT = """
  An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/x/poc/lake/executor.py", line 80, in write_batches
    _process.sink_of(assignment, view).write(part)
  File "/x/poc/online_store/writer.py", line 40, in write_all
    raise NotAcknowledged(3, 5)
          ^^^^^^^^^^^^^^^^^^^^^
poc.online_store.errors.NotAcknowledged: 3 of 5 rows
  Look at Cassandra.

\tat org.apache.spark.api.python.BasePythonRunner(PythonRunner.scala:572)
"""


def test_message_of_the_python_exception_is_found_in_sparks_text() -> None:
    expected = "poc.online_store.errors.NotAcknowledged: 3 of 5 rows Look at Cassandra."
    assert said_by_python(SPARKS_TEXT) == expected


def test_text_without_a_python_exception_gives_its_first_line() -> None:
    assert said_by_python("Job aborted.\n\tat org.apache.spark") == "Job aborted."
    assert said_by_python("") == "it gave no reason"


def test_engine_has_the_name_that_others_know_it_by() -> None:
    engine = SparkLakeMaterializationEngine
    assert SparkLakeMaterializationEngineConfig().type == f"{engine.__module__}.{engine.__name__}"


@pytest.mark.parametrize(
    "setting", [{"batch_rows": 0}, {"partitions": -1}, {"max_attempts": 0}, {"driver": "x"}]
)
def test_setting_that_does_not_fit_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(setting))):
        SparkLakeMaterializationEngineConfig(**setting)
