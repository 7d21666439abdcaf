"""What every error is: a situation with a way out. The lowest floor raises the first."""

from poc.online_store.errors import OnlineStoreError, PocError

__all__ = ["OnlineStoreError", "PocError"]
