"""A door to a Cassandra that answers as a server of an older CQL protocol does."""

import socket
import struct
import threading
from contextlib import suppress

_VERSION = 0x7F
_RESPONSE, _ERROR, _PROTOCOL_ERROR = 0x80, 0x00, 0x0A
# Version, flags, stream, opcode, length of body.
_HEADER = struct.Struct(">BBhBi")


class ProtocolProxy:
    """Passes on what speaks protocol `newest` or an older one, and refuses what speaks a newer one.

    Attributes:
        port: where it listens, on 127.0.0.1.
        refused: the versions that were refused, in order.
    """

    def __init__(self, target: tuple[str, int], newest: int = 4) -> None:
        self._target, self._newest = target, newest
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.refused: list[int] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Accept no more."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            # What a client says first fits into one packet, and a version is its first byte.
            begun = client.recv(65_536)
            if not begun:
                return
            version = begun[0] & _VERSION
            if version > self._newest:
                self.refused.append(version)
                client.sendall(self._refusal(version, begun))
                return
            with socket.create_connection(self._target) as server:
                server.sendall(begun)
                back = threading.Thread(target=_pump, args=(server, client), daemon=True)
                back.start()
                _pump(client, server)
                back.join()

    def _refusal(self, version: int, begun: bytes) -> bytes:
        known = ", ".join(f"{number}/v{number}" for number in range(3, self._newest + 1))
        text = (
            f"Invalid or unsupported protocol version ({version}); supported versions are ({known})".encode()
        )
        body = struct.pack(">iH", _PROTOCOL_ERROR, len(text)) + text
        stream = _HEADER.unpack_from(begun)[2]
        return _HEADER.pack(_RESPONSE | self._newest, 0, stream, _ERROR, len(body)) + body


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
