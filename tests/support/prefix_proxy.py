"""A proxy that several services share, each below a prefix that it strips."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from ports import free_port
from starlette.requests import Request
from starlette.responses import Response


@contextmanager
def prefix_proxy(url: str, prefix: str, *, tells: bool) -> Iterator[str]:
    """Pass requests below `prefix` on to `url` until the block ends; gives the proxy's own URL.

    Args:
        tells: whether it sends X-Forwarded-Prefix.
    """
    port = free_port()
    config = uvicorn.Config(Proxy(url, prefix, tells), port=port, log_level="warning", lifespan="off")
    proxy = uvicorn.Server(config)
    thread = threading.Thread(target=asyncio.run, args=(proxy.serve(),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        proxy.should_exit = True
        thread.join()


class Proxy:
    """Passes on what comes below the prefix, without it; for anything else it has another answer."""

    def __init__(self, url: str, prefix: str, tells: bool) -> None:
        self._url, self._prefix = url, prefix
        self._told = {"x-forwarded-prefix": prefix} if tells else {}

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        request = Request(scope, receive)
        if not request.url.path.startswith(f"{self._prefix}/"):
            await Response("elsewhere", 404)(scope, receive, send)
            return
        path = request.url.path.removeprefix(self._prefix)
        sent = {**request.headers, **self._told}
        async with httpx.AsyncClient() as client:
            got = await client.request(
                request.method, self._url + path, headers=sent, content=await request.body(), timeout=30
            )
        kept = {
            name: got.headers[name]
            for name in ("content-type", "etag", "location", "www-authenticate", "content-security-policy")
            if name in got.headers
        }
        await Response(got.content, got.status_code, kept)(scope, receive, send)
