"""Connections of cassandra-driver that take an answer in any pieces.

In protocol 5 answers come in segments, each behind a header of 6 bytes. Where what has arrived ends within
one, cassandra-driver 3.30.1 drops those bytes: `Connection.process_io_buffer` keeps what is past the buffer's
place, which is at its end then. What comes next it takes for a header, and gives up the connection with all
that was asked on it: "CRC mismatch on header" (PYTHON-1337). The more is read at once, the more often.
"""

from cassandra.cluster import DefaultConnection


class WholeSegments(DefaultConnection):  # type: ignore[misc]
    """The driver's own connection, but for headers that come in two parts."""

    def _process_segment_buffer(self) -> None:
        super()._process_segment_buffer()
        if not self._io_buffer.has_consumed_segment:
            self._io_buffer.io_buffer.seek(0)
