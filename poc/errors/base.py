"""What every error is: a situation with a way out. The lowest floor raises the first."""

from poc.online_store.errors import OnlineStoreError, PocError

__all__ = ["CallRefused", "OnlineStoreError", "PocError"]


class CallRefused(PocError):
    """A call, or what it was told, has to change before it can be made."""

    exit_status = 2
