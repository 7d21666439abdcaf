"""What every request passes on its way in, and every answer on its way out: prefix, keys, headers."""

import re
from collections.abc import Collection

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poc.serving.headers import DOCS, missing_headers
from poc.serving.keys import ApiKeys
from poc.serving.problems import NEEDS_KEY, TOO_MANY, Problem, problem, respond, retry_headers
from poc.serving.rates import Rates

# Probes have no way to send a key, and learn nothing but that the server is there.
ALWAYS_OPEN = frozenset({"/live", "/ready", "/v2/health/live", "/v2/health/ready"})
# What can be left open by name, by the beginnings of its paths.
PARTS = {
    "metrics": ("/metrics",),
    "docs": DOCS,
    "console": ("/console",),
}
KEY_WAY_OUT = "Send one of API_KEYS: curl -H 'X-API-Key: ...', or 'Authorization: Bearer ...'."
# A browser asks its user for a name, which may be any, and for the key as the password. Of a header that
# offers Bearer too Chromium would understand nothing.
CHALLENGE = {"WWW-Authenticate": 'Basic realm="fraud predictions, with a key as the password"'}
RATE_WAY_OUT = "Ask for several transactions at once (/predict/batch), or raise REQUESTS_PER_SECOND."
# As proxies write it: of what can stand in a path and cannot leave the quotes of a page.
_PREFIX = re.compile(r"(/[\w.~-]+)+", re.ASCII)


class Edge:
    """The outermost part of a server's app.

    HEAD, which balancers and probes ask with, is answered as GET would be; the server leaves the body out.
    A request whose path a proxy has shortened gets it back, so that pages lead to where they were asked for.
    Without a key only what is open is answered; what is always open is not counted either. An answer gets the
    security headers that it does not set.

    Args:
        app: what is behind it.
        keys: those that are asked for; None for none.
        root_path: the prefix that a proxy strips, where X-Forwarded-Prefix does not tell it.
        open_parts: of `PARTS`, those that need no key.
        rates: how many requests a key, or where none is needed an address, may make; None for any number.
    """

    def __init__(
        self,
        app: ASGIApp,
        keys: ApiKeys | None,
        root_path: str = "",
        open_parts: Collection[str] = (),
        rates: Rates | None = None,
    ) -> None:
        self._app, self._keys, self._root_path, self._rates = app, keys, root_path, rates
        self._open = tuple(path for part in open_parts for path in PARTS[part])
        self._page_is_open = "console" in open_parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Do so."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        path = scope["path"]
        prefix = headers.get(b"x-forwarded-prefix", b"").decode("latin-1").rstrip("/")
        stripped = _PREFIX.fullmatch(prefix) is not None
        if not stripped:
            prefix = self._root_path
        if not stripped and prefix and f"{path}/".startswith(f"{prefix}/"):
            path = path.removeprefix(prefix) or "/"
        scope = {**scope, "path": prefix + path, "root_path": prefix}
        if scope["method"] == "HEAD":
            scope["method"] = "GET"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    *missing_headers(message, path, scope["scheme"]),
                ]
            await send(message)

        refused = self._refusal(path, headers, scope)
        if refused is None:
            await self._app(scope, receive, answer)
            return
        body, more = refused
        await respond(Request(scope), body, more)(scope, receive, answer)

    def _refusal(
        self, path: str, headers: dict[bytes, bytes], scope: Scope
    ) -> tuple[Problem, dict[str, str]] | None:
        """Tell why a request goes no further, and with which headers; None if it does."""
        key = None
        if self._keys is not None and not self._is_open(path):
            key = self._keys.admit(headers)
            if key is None:
                said = "The request has no API key, or one that is not known"
                return problem(NEEDS_KEY, said, KEY_WAY_OUT), CHALLENGE
        if self._rates is None or path in ALWAYS_OPEN:
            return None
        if self._rates.admit(_address(scope) if key is None else key):
            return None
        said = "More requests a second than one client may make"
        return problem(TOO_MANY, said, RATE_WAY_OUT), retry_headers(TOO_MANY)

    def _is_open(self, path: str) -> bool:
        if path in ALWAYS_OPEN or (path == "/" and self._page_is_open):
            return True
        return any(f"{path}/".startswith(f"{start}/") for start in self._open)


def _address(scope: Scope) -> bytes:
    """Return the address that a request came from; nothing where the server does not know it."""
    client = scope.get("client")
    return b"" if client is None else str(client[0]).encode()
