"""What every error is: a situation with a way out. It stands on the lowest floor, where the first are raised."""

from poc.online_store.errors import OnlineStoreError, PocError

__all__ = ["OnlineStoreError", "PocError"]
