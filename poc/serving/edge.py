"""What every request passes on its way in, and every answer on its way out: prefix, keys, rates, headers."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Collection

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poc.serving.keys import ApiKeys
from poc.serving.problems import NEEDS_KEY, TOO_MANY, respond

# Probes have no way to send a key, and learn nothing but that the server is there.
ALWAYS_OPEN = frozenset({"/live", "/ready", "/v2/health/live", "/v2/health/ready"})
DOCS = ("/docs", "/redoc", "/openapi.json", "/static-offline-docs")
# What can be left open by name, by the beginnings of its paths.
PARTS = {"metrics": ("/metrics",), "docs": DOCS, "console": ("/console",)}
KEY_WAY_OUT = "Send one of API_KEYS: curl -H 'X-API-Key: ...', or 'Authorization: Bearer ...'."
# A browser asks its user for a name, which may be any, and for the key as the password. Of a header that
# offers Bearer too Chromium would understand nothing.
CHALLENGE = {"WWW-Authenticate": 'Basic realm="fraud predictions, with a key as the password"'}
RATE_WAY_OUT = "Ask for several transactions at once (/predict/batch), or raise REQUESTS_PER_SECOND."
# From so many clients on, those who have not asked lately are forgotten.
MOST_CLIENTS = 10_000
# They keep a browser from doing more with an answer than the server means.
HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    # Answers are about one moment, and those with a prefix about one proxy.
    b"cache-control": b"no-store",
}
DOCS_HEADERS = {
    **HEADERS,
    # Swagger's page starts itself by a script within, and has pictures within its style.
    b"content-security-policy": b"default-src 'self'; script-src 'self' 'unsafe-inline'; "
    b"style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-cache",
}
TLS_HEADERS = {b"strict-transport-security": b"max-age=31536000"}
# As proxies write it: of what can stand in a path and cannot leave the quotes of a page.
_PREFIX = re.compile(r"(/[\w.~-]+)+", re.ASCII)


class Edge:
    """The outermost part of a server's app.

    HEAD, which balancers and probes ask with, is answered as GET would be; the server leaves the body out.
    A request whose path a proxy has shortened gets it back, so that pages lead to where they were asked for.
    Without a key only what is open is answered; what is always open is not counted either. An answer gets the
    security headers that it does not set.

    Args:
        keys: those that are asked for; None for none.
        root_path: the prefix that a proxy strips, where X-Forwarded-Prefix does not tell it.
        open_parts: of `PARTS`, those that need no key.
        per_second: requests that a key, or where none is needed an address, may make; None for any number.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys | None,
        root_path: str = "",
        open_parts: Collection[str] = (),
        per_second: float | None = None,
    ) -> None:
        self._app, self._keys, self._root_path = app, keys, root_path
        self._rates = None if per_second is None else Rates(per_second)
        self._open = tuple(path for part in open_parts for path in PARTS[part])
        self._page_is_open = "console" in open_parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by itself what is to go no further; let `app` answer the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        path = scope["path"]
        prefix = headers.get(b"x-forwarded-prefix", b"").decode("latin-1").rstrip("/")
        if _PREFIX.fullmatch(prefix) is None:
            prefix = self._root_path
            if prefix and f"{path}/".startswith(f"{prefix}/"):
                path = path.removeprefix(prefix) or "/"
        scope = {**scope, "path": prefix + path, "root_path": prefix}
        if scope["method"] == "HEAD":
            scope["method"] = "GET"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                missing = _missing_headers(message, path, scope["scheme"])
                message["headers"] = [*message.get("headers", ()), *missing]
            await send(message)

        goes_on: ASGIApp = self._refusal(path, headers, scope) or self._app
        await goes_on(scope, receive, answer)

    def _refusal(self, path: str, headers: dict[bytes, bytes], scope: Scope) -> Response | None:
        """Return the answer to a request that goes no further; None if it does."""
        key = None
        if self._keys is not None and not self._is_open(path):
            key = self._keys.admit(headers)
            if key is None:
                said = "The request has no API key, or one that is not known"
                return respond(Request(scope), NEEDS_KEY, said, KEY_WAY_OUT, CHALLENGE)
        if self._rates is None or path in ALWAYS_OPEN:
            return None
        # The address is not always known.
        if self._rates.admit(key or str((scope.get("client") or ("",))[0]).encode()):
            return None
        said = "More requests a second than one client may make"
        return respond(Request(scope), TOO_MANY, said, RATE_WAY_OUT)

    def _is_open(self, path: str) -> bool:
        if path in ALWAYS_OPEN or (path == "/" and self._page_is_open):
            return True
        return any(f"{path}/".startswith(f"{start}/") for start in self._open)


class Rates:
    """A bucket of tokens for each client, filled at a constant rate; a request takes one.

    Whoever was silent for a second may ask for a second's worth at once.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second, self._clock = per_second, clock
        self._most = max(per_second, 1.0)
        # What is left of each client's tokens, and when that was; who asked last comes last.
        self._left: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def admit(self, client: bytes) -> bool:
        """Return whether `client` may ask now, and count that it did."""
        now = self._clock()
        tokens, since = self._left.pop(client, (self._most, now))
        tokens = min(tokens + (now - since) * self._per_second, self._most)
        admitted = tokens >= 1
        self._left[client] = (tokens - admitted, now)
        # Whose bucket is full again is as if it had never asked.
        full = now - self._most / self._per_second
        while len(self._left) > MOST_CLIENTS and next(iter(self._left.values()))[1] <= full:
            self._left.popitem(last=False)
        return admitted


def _missing_headers(message: Message, path: str, scheme: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that the answer to a request for `path` has to be given."""
    wanted = DOCS_HEADERS if path.startswith(DOCS) else HEADERS
    if scheme == "https":
        wanted = wanted | TLS_HEADERS
    present = {name.lower() for name, _ in message.get("headers", ())}
    return [pair for pair in wanted.items() if pair[0] not in present]
