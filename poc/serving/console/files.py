"""The files of the page: HTML, style and scripts as they lie in `page/`, with headers that keep it to itself.

Nothing is built and nothing comes from elsewhere; the browser is told to refuse what would.
"""

from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

FOLDER = Path(__file__).with_name("page")
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # The browser asks each time whether its copy is still the one: a new release shows at once.
    "Cache-Control": "no-cache",
}


def files_router() -> APIRouter:
    """Make the routes that give the page and what it is made of."""
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in MEDIA_TYPES}
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def page(request: Request) -> Response:
        return _file(request, "index.html", files["index.html"])

    @router.get("/console/page/{name}")
    async def part(request: Request, name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        return _file(request, name, files[name])

    return router


def _file(request: Request, name: str, content: bytes) -> Response:
    tag = f'"{sha256(content).hexdigest()[:16]}"'
    headers = HEADERS | {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)
