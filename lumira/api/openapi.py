"""The OpenAPI document, and the page that shows it.

Bodies are checked by our own code, in the contract's order; here they are only described.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from lumira.api.rate_limit import EXEMPT
from lumira.api.schemas import ErrorBody
from lumira.api.security_headers import script_hashes

Responses = dict[int | str, dict[str, Any]]

MEANING: Final = {
    400: "The request must change: `code` says what.",
    401: "No bearer token, or not one of this desk.",
    402: "Stripe declined the payment itself.",
    403: "The token's role does not allow it.",
    404: "There is no such thing.",
    409: "The state of things forbids it.",
    413: "The body is too large.",
    429: "Too many requests from this address.",
    500: "Something went wrong on our side.",
    502: "Stripe could not do what we asked.",
    503: "The order store does not answer.",
}

_REQUEST_ID: Final = {
    "name": "X-Request-Id",
    "in": "header",
    "required": False,
    "description": "Your name for the request, which the answer repeats; one is made when it is absent.",
    "schema": {"type": "string", "maxLength": 128},
}
# Swagger UI sets styles as it runs, and draws its icons from data.
_DOCS_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_RETRY_AFTER: Final = {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 1}}


def errors(*statuses: int) -> Responses:
    """What OpenAPI says of these error statuses, each with the contract's body."""
    return {status: {"model": ErrorBody, "description": MEANING[status]} for status in statuses}


def json_request(shape: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that parses its body itself."""
    content = {"application/json": {"schema": shape.model_json_schema(by_alias=True)}}
    return {"requestBody": {"required": True, "content": content}}


def describe(api: FastAPI) -> None:
    """Gives the application its OpenAPI document and, at /docs, Swagger UI from this machine's own files.

    FastAPI's page loads Swagger UI from a CDN and stays blank without internet. The files are those of the
    package fastapi-swagger, which follows each release of Swagger UI.
    """

    def document() -> dict[str, Any]:
        if api.openapi_schema is None:
            api.openapi_schema = _document(api)
        return api.openapi_schema

    def docs() -> HTMLResponse:
        # Relative addresses: the application does not know where it is mounted.
        page = get_swagger_ui_html(
            openapi_url="openapi.json",
            title="Lumira API",
            swagger_js_url="docs/files/swagger-ui-bundle.js",
            swagger_css_url="docs/files/swagger-ui.css",
            swagger_favicon_url="docs/files/favicon-32x32.png",
        )
        scripts = " ".join(["script-src 'self'", *script_hashes(bytes(page.body).decode())])
        page.headers["Content-Security-Policy"] = f"{_DOCS_POLICY}; {scripts}"
        return page

    api.openapi = document  # type: ignore[method-assign]
    api.add_api_route("/docs", docs, include_in_schema=False)
    api.mount("/docs/files", StaticFiles(packages=[("fastapi_swagger", "resources")]))


def _document(api: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=api.title,
        version=api.version,
        summary=api.summary,
        description=api.description,
        routes=api.routes,
        tags=api.openapi_tags,
        servers=[{"url": "/api"}],
    )
    for path, operation in _operations(document):
        operation["parameters"] = [*operation.get("parameters", []), _REQUEST_ID]
        # FastAPI's own answer to invalid parameters: ours are text, and checked by our own code.
        operation["responses"].pop("422", None)
        for response in operation["responses"].values():
            response.setdefault("headers", {})["X-Request-Id"] = {"schema": {"type": "string"}}
        if path not in EXEMPT:
            operation["responses"]["429"] = _error_response(429, {"Retry-After": _RETRY_AFTER})
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


def _operations(document: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    return ((path, operation) for path, item in document["paths"].items() for operation in item.values())


def _error_response(status: int, headers: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{ErrorBody.__name__}"}
    return {
        "description": MEANING[status],
        "content": {"application/json": {"schema": schema}},
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}, **headers},
    }
