"""Materialization: from the prepared Parquet into the online store and the direct table."""
