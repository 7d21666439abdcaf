"""What every error is: a situation with a way out. It stands on the lowest floor: the first are raised there."""

from poc.online_store.errors import OnlineStoreError, PocError

__all__ = ["OnlineStoreError", "PocError"]
