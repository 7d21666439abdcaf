"""Feast over a lake of Parquet files with Spark: an offline store and a batch engine for Cassandra.

Works with feast 0.38 and pyspark 3.5; of the rest of this project it needs `poc.online_store` only.
"""
