"""Where a source's path leads, seen by Spark."""

from pathlib import Path

import pytest

from poc.lake.sources import location, reason


def test_relative_path_counts_from_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert location("data/a.parquet") == f"file://{tmp_path.resolve()}/data/a.parquet"


def test_relative_path_counts_from_the_base_path(tmp_path: Path) -> None:
    assert location("data/a.parquet", str(tmp_path)) == f"file://{tmp_path.resolve()}/data/a.parquet"


@pytest.mark.parametrize("base_path", ["gs://lake/prod", "gs://lake/prod/"])
def test_base_path_may_be_a_bucket(base_path: str) -> None:
    assert location("data/a.parquet", base_path) == "gs://lake/prod/data/a.parquet"


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
def test_s3_is_named_as_hadoop_does(scheme: str) -> None:
    assert location(f"{scheme}://bucket/a") == "s3a://bucket/a"
    assert location("a", f"{scheme}://bucket") == "s3a://bucket/a"


def test_absolute_path_stays_what_it_is(tmp_path: Path) -> None:
    assert location(str(tmp_path / "a"), "s3a://bucket") == f"file://{tmp_path.resolve()}/a"


def test_files_of_different_types_are_told_by_spark_and_not_by_java() -> None:
    merging = (
        '[CANNOT_MERGE_SCHEMAS] Failed merging schemas:{}Initial schema:{}"STRUCT<n: BIGINT>"{}'
        'Schema that cannot be merged with the initial schema:{}"STRUCT<n: DOUBLE>".'
    )
    said = (
        "An error occurred while calling o30.parquet.\n: org.apache.spark.SparkException: Job aborted:"
        f" Lost task 0.0: org.apache.spark.SparkException: {merging.format(*4 * [chr(10)])}"
        "\n\tat org.apache.spark.Some.where(Some.scala:1)\n"
    )
    assert reason(said) == merging.format(*" " * 4)


def test_what_spark_says_by_itself_is_its_first_line() -> None:
    assert reason("[PATH_NOT_FOUND] Path does not exist: file:/x.\nMore") == (
        "[PATH_NOT_FOUND] Path does not exist: file:/x."
    )
