"""Paths that Streamlit refuses before it looks for routes: below /api the contract's error is answered."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from streamlit.web.server.starlette.starlette_path_security_middleware import PathSecurityMiddleware

from lumira.serving import MIDDLEWARE, routes
from tests import web
from tests.conftest import API_TOKEN, serving


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/%00", 404),
        ("/api/products/orders/%00", 404),
        ("/api/products/orders/..%2f..%2fetc%2fpasswd", 404),
        ("/api/products/orders/pi_%00/customer", 405),
    ],
)
def test_a_path_with_a_zero_byte_or_dots_is_refused_as_the_contract_has_it(desk, path, status):
    guarded = Starlette(routes=routes(), middleware=[*MIDDLEWARE, Middleware(PathSecurityMiddleware)])
    with serving(guarded) as url, web.Client(base_url=url) as client:
        answer = client.get(path, headers={"Authorization": f"Bearer {API_TOKEN}"})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert {"error", "timestamp"} <= answer.json().keys()
    assert answer.headers["x-content-type-options"] == "nosniff"
