"""A TCP proxy that fails on demand: how a database looks when it hangs, dies, comes back, or is slow."""

import socket
import threading
import time
from contextlib import suppress


class TcpProxy:
    """Passes connections on to `target`, until it is told otherwise.

    Attributes:
        port: where it listens, on 127.0.0.1; the same for its whole life.
        delay_seconds: how long each answer is held back.
        piece_bytes: how much of an answer is passed on at a time; None for as it comes.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._flowing = threading.Event()
        self._flowing.set()
        self._open: list[socket.socket] = []
        self.delay_seconds = 0.0
        self.piece_bytes: int | None = None
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accept()

    def stall(self) -> None:
        """Accept everything and pass nothing on: a frozen server."""
        self._flowing.clear()

    def resume(self) -> None:
        """Pass on again, also what was held back."""
        self._flowing.set()

    def cut(self) -> None:
        """Close every connection and refuse new ones: a dead server."""
        if self._listener is not None:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.clear()
        self._flowing.set()

    def restore(self) -> None:
        """Listen again on the same port."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._open += [client, server]
            for source, sink, is_answer in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, is_answer), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if is_answer and self.delay_seconds:
                    time.sleep(self.delay_seconds)
                self._flowing.wait()
                pieces = self.piece_bytes if is_answer and self.piece_bytes is not None else len(data)
                for start in range(0, len(data), pieces):
                    sink.sendall(data[start : start + pieces])
                    if pieces < len(data):
                        time.sleep(0.0005)  # The next one is read by itself.
        for end in (source, sink):
            with suppress(OSError):
                end.close()
