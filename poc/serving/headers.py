"""The headers that keep a browser from doing more with an answer than the server means."""

from starlette.types import Message

DOCS = ("/docs", "/redoc", "/openapi.json", "/static-offline-docs")
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


def missing_headers(message: Message, path: str, scheme: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that the answer to a request for `path` has to be given."""
    wanted = DOCS_HEADERS if path.startswith(DOCS) else HEADERS
    if scheme == "https":
        wanted = wanted | TLS_HEADERS
    present = {name.lower() for name, _ in message.get("headers", ())}
    return [pair for pair in wanted.items() if pair[0] not in present]
