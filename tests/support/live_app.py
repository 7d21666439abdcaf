"""An app behind a real socket, in a thread of this process."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from poc.serving.listening import configured
from poc.settings import Settings


@contextmanager
def live(app: FastAPI) -> Iterator[int]:
    """Serve `app` as a server does, until the block ends; give the port, on 127.0.0.1."""
    server = uvicorn.Server(configured(app, Settings(_env_file=None)))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            for resource in app.state.resources:
                resource.wait_until_tried(10)
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()
