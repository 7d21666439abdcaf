"""A Feast online store that keeps one Cassandra row an entity, and a batch engine that fills it by column.

Imports nothing from the rest of `poc`, so that another project can take the folder as it is.
How to use it: docs/online_store.md.
"""
