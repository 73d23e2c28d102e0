"""The pages of our own beside Streamlit's: the sign-in, the customer's, and that the store is away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from lumira.api.languages import language_of
from lumira.api.rate_limit import RateLimit
from lumira.api.request_id import RequestId
from lumira.api.unexpected import Unexpected
from lumira.texts import translate

_FOLDER: Final = Path(__file__).parent
_DASHBOARD: Final = _FOLDER.parent / "dashboard" / "assets"
# Streamlit's pages take the dashboard's, and scripts, of these from below /sign-in.
ASSETS: Final = {
    f"/assets/{file.name}": file
    for file in (*(_FOLDER / "static").iterdir(), _DASHBOARD / "icon.png", _DASHBOARD / "lumira.css")
}
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Language",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
}

_templates: Final = Jinja2Templates(_FOLDER / "templates")


def pages_application(
    *routes: Route,
    busy: Callable[[Request, int], Response],
    failed: Callable[[Request], Response],
    exception_handlers: Mapping[Any, Any] | None = None,
) -> Starlette:
    """The application of such pages, and of the files they load, under /assets.

    `busy` answers an address that asks too often, with the seconds to wait; `failed` where our own code fails
    in a way nobody foresaw.
    """
    return Starlette(
        routes=[*(Route(path, partial(_asset, file)) for path, file in ASSETS.items()), *routes],
        middleware=[
            Middleware(RequestId),
            # The page that asks to wait needs its styles too.
            Middleware(RateLimit, refuse=busy, exempt=ASSETS),
            Middleware(Unexpected, answer=failed),
        ],
        exception_handlers=exception_handlers,
    )


def page(
    request: Request,
    template: str,
    context: Mapping[str, object],
    status: int = 200,
    headers: Mapping[str, str] = HEADERS,
) -> Response:
    """What a template makes of `context`, in the language the browser asks for."""
    language = language_of(request.headers.get("accept-language", ""))
    words = {"language": language, "text": partial(translate, language)}
    return _templates.TemplateResponse(request, template, {**context, **words}, status, headers)


def _asset(file: Path, _request: Request) -> Response:
    return FileResponse(file, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"})
