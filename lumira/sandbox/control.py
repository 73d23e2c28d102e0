"""The sandbox's own endpoints: health, the control page and what it reads; with --faults also the switches.

Switches take JSON only, so that no other site's form can throw them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from lumira.sandbox.api import Api
from lumira.sandbox.faults import Faults
from lumira.sandbox.resources import RESOURCES
from lumira.sandbox.shapes import shown
from lumira.sandbox.store import DELIVERY_MODES

STATIC = Path(__file__).parent / "static"
Endpoint = Callable[[Request], Awaitable[Response]]
KINDS = [resource.kind for resource in RESOURCES]
SHOWN = 50


def routes(api: Api, faults: Faults | None) -> list[Route]:
    """The routes; `faults` is None unless the switches are asked for."""
    store = api.store

    def delivery() -> dict[str, Any]:
        seconds = float(store.setting("delivery_seconds", "1"))
        return {"mode": store.setting("delivery_mode", "normal"), "seconds": seconds}

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def page(_: Request) -> Response:
        return FileResponse(STATIC / "control.html", headers={"Cache-Control": "no-cache"})

    async def overview(request: Request) -> Response:
        kind = request.query_params.get("kind", "payment_intent")
        objects = store.page(kind, limit=SHOWN)[0] if kind in KINDS else []
        switches = faults and {
            "delivery": delivery(),
            "delivery_modes": DELIVERY_MODES,
            "faults": [fault.as_json() for fault in faults.active],
            "clock": {"now": int(api.now()), "offset": api.clock_offset},
        }
        counts = {name: store.count(name) for name in KINDS}
        bodies = [shown(body) for body in objects]
        return JSONResponse({"kinds": counts, "kind": kind, "objects": bodies, "switches": switches})

    async def one_object(request: Request) -> Response:
        body = store.get(request.path_params["id"])
        return JSONResponse(shown(body)) if body else JSONResponse({"error": "no such object"}, 404)

    async def deliveries(request: Request) -> Response:
        if request.method == "POST":
            wanted = await _body(request)
            mode, seconds = wanted.get("mode", "normal"), wanted.get("seconds", 1)
            if mode not in DELIVERY_MODES or not isinstance(seconds, int | float) or not 0 < seconds <= 86400:
                modes = ", ".join(DELIVERY_MODES)
                raise ValueError(f"mode must be one of {modes}; seconds a positive number")
            store.set_setting("delivery_mode", mode)
            store.set_setting("delivery_seconds", str(seconds))
        log = store.delivery_log(SHOWN, request.query_params.get("event"))
        return JSONResponse({"mode": delivery(), "deliveries": log})

    async def redeliver(request: Request) -> Response:
        event = store.get(request.path_params["event"])
        if event is None or event["object"] != "event":
            return JSONResponse({"error": "no such event"}, 404)
        await _body(request)
        endpoints = api.call().endpoints_for(event["type"])
        for endpoint in endpoints:
            store.owe(event["id"], endpoint, api.now(), "normal")
        api.after()
        return JSONResponse({"event": event["id"], "endpoints": endpoints})

    async def fault(request: Request) -> Response:
        active = faults.active if faults else []
        if request.method == "DELETE":
            active.clear()
        elif faults and request.method == "POST":
            faults.add(await _body(request))
        return JSONResponse({"faults": [one.as_json() for one in active]})

    async def clock(request: Request) -> Response:
        if request.method == "POST":
            seconds = (await _body(request)).get("advance")
            if not isinstance(seconds, int | float):
                raise ValueError("advance must be a number of seconds")
            api.clock_offset += seconds
            api.after()
        return JSONResponse({"now": int(api.now()), "offset": api.clock_offset})

    switches = [
        Route("/_sandbox/deliveries", _careful(deliveries), methods=["GET", "POST"]),
        Route("/_sandbox/faults", _careful(fault), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/clock", _careful(clock), methods=["GET", "POST"]),
        Route("/_sandbox/events/{event}/deliver", _careful(redeliver), methods=["POST"]),
    ]
    return [
        Route("/", page),
        Route("/payment_intents/{id}", page),
        Route("/_sandbox/objects/{id}", one_object),
        Route("/_sandbox/health", health),
        Route("/_sandbox/overview", overview),
        *([Route("/_sandbox/deliveries", deliveries)] if faults is None else switches),
    ]


async def _body(request: Request) -> dict[str, Any]:
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ValueError("send application/json")
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("send a JSON object")
    return body


def _careful(endpoint: Endpoint) -> Endpoint:
    """A switch asked for wrongly answers 400 with the reason."""

    @wraps(endpoint)
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except (ValueError, TypeError) as problem:
            return JSONResponse({"error": str(problem)}, 400)

    return answer
