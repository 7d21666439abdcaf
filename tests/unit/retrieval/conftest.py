from collections.abc import Iterator

import pytest
from answering_server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A feature server that answers as a test tells it to."""
    made = Server()
    yield made
    made.shutdown()
    made.server_close()
