"""A feature source read as an async handler awaits it, by a caller that has no event loop."""

import asyncio
from collections.abc import Sequence

from poc.retrieval.source import FeatureSource, TransactionFeatures


class AwaitedSource:
    """Reads `source` with an event loop that runs in the caller's thread, for as long as a read takes.

    For one thread at a time. Nothing comes on top of what a handler would wait for.

    Args:
        source: `close` closes it.

    Raises:
        PocError: as `FeatureSource.use_loop`; `source` is closed then.
    """

    def __init__(self, source: FeatureSource) -> None:
        self._source = source
        self._loop = asyncio.new_event_loop()
        try:
            # It waits for the loop, so it cannot be called from the loop's own thread.
            self._loop.run_until_complete(asyncio.to_thread(source.use_loop, self._loop))
            read = source.async_read
            if read is None:
                raise ValueError(f"the source {source.name} has no driver that can be awaited")
            self._read = read
        except BaseException:
            self.close()
            raise

    def read(self, transaction_ids: Sequence[str]) -> list[TransactionFeatures | None]:
        """Read the features of `transaction_ids`; see `FeatureSource.read`."""
        return self._loop.run_until_complete(self._read(transaction_ids))

    def close(self) -> None:
        """Close the source, which may need the loop, and then the loop."""
        try:
            self._loop.run_until_complete(asyncio.to_thread(self._source.close))
        finally:
            self._loop.close()
