"""The pages for people: a start page, the API description with Swagger UI, and their files.

Everything comes from this package: no page loads anything from elsewhere, and none holds a script
of its own, so the content security policy can stay at 'self'.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from optimizer.version import VERSION

STATIC = Path(str(files("server") / "static"))


def page_routes() -> list[BaseRoute]:
    """`/`, `/docs` and `/static`."""
    return [
        Route("/", _page("index.html"), methods=["GET"]),
        Route("/docs", _page("docs.html"), methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    html = (STATIC / name).read_text(encoding="utf-8").replace("{{version}}", VERSION)

    async def answer(_: Request) -> Response:
        return HTMLResponse(html)

    return answer
