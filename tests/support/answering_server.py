"""A feature server's double that answers as it is told to: what, when, and whether the connection stays."""

import json
import threading
import time
from collections import Counter
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """Answers each question with `status` and `content`, after `delay_seconds`, and keeps connections.

    `connections` counts the questions of each; `ended` has those that were closed.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.content, self.delay_seconds, self.drips = 200, b"{}", 0.0, False
        self.asked: list[dict[str, object]] = []
        self.requests: list[tuple[str, Message]] = []
        self.connections: Counter[object] = Counter()
        self.ended: list[object] = []
        self.hang_up = self.chunked = self.says_close = False
        self.location: str | None = None
        # Half a second, as it is by default, would be waited for at each end.
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        server.connections[self.client_address] += 1
        server.requests.append((self.path, self.headers))
        server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        time.sleep(server.delay_seconds)
        self.send_response(server.status)
        if server.location is not None:
            self.send_header("location", server.location)
        if server.says_close:
            self.send_header("connection", "close")
        # A server may close a kept connection without saying so, or say so and be slow to.
        self.close_connection = server.hang_up
        if server.chunked:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            half = len(server.content) // 2
            for part in (server.content[:half], server.content[half:], b""):
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            return
        self.send_header("content-length", str(len(server.content)))
        self.end_headers()
        for byte in server.content if server.drips else [server.content]:
            self.wfile.write(bytes([byte]) if server.drips else byte)
            time.sleep(0.1 if server.drips else 0)

    def finish(self) -> None:
        assert isinstance(self.server, Server)
        self.server.ended.append(self.client_address)
        super().finish()

    def log_message(self, *_: object) -> None:
        pass
