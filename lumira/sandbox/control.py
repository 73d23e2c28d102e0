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
    control = _Control(api, faults)
    switches = [
        Route("/_sandbox/deliveries", _careful(control.deliveries), methods=["GET", "POST"]),
        Route("/_sandbox/faults", _careful(control.faults), methods=["GET", "POST", "DELETE"]),
        Route("/_sandbox/clock", _careful(control.clock), methods=["GET", "POST"]),
        Route("/_sandbox/events/{event}/deliver", _careful(control.redeliver), methods=["POST"]),
    ]
    return [
        Route("/", _page),
        Route("/payment_intents/{id}", _page),
        Route("/_sandbox/objects/{id}", control.one_object),
        Route("/_sandbox/health", _health),
        Route("/_sandbox/overview", control.overview),
        *([Route("/_sandbox/deliveries", control.deliveries)] if faults is None else switches),
    ]


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "control.html", headers={"Cache-Control": "no-cache"})


class _Control:
    """What the control page reads, and the switches."""

    def __init__(self, api: Api, faults: Faults | None) -> None:
        self._api = api
        self._store = api.store
        self._faults = faults

    async def overview(self, request: Request) -> Response:
        """The newest objects of a `kind`, how many there are of each, and how the switches stand."""
        kind = request.query_params.get("kind", "payment_intent")
        objects = self._store.page(kind, limit=SHOWN)[0] if kind in KINDS else []
        switches = self._faults and {
            "delivery": self._delivery(),
            "delivery_modes": DELIVERY_MODES,
            "faults": [fault.as_json() for fault in self._faults.active],
            "clock": self._clock(),
        }
        counts = {name: self._store.count(name) for name in KINDS}
        bodies = [shown(body) for body in objects]
        return JSONResponse({"kinds": counts, "kind": kind, "objects": bodies, "switches": switches})

    async def one_object(self, request: Request) -> Response:
        """An object of any kind by its id."""
        body = self._store.get(request.path_params["id"])
        return JSONResponse(shown(body)) if body else JSONResponse({"error": "no such object"}, 404)

    async def deliveries(self, request: Request) -> Response:
        """The newest deliveries, of one `event` or of all; POST says how events are delivered from now on."""
        if request.method == "POST":
            wanted = await _body(request)
            mode, seconds = wanted.get("mode", "normal"), wanted.get("seconds", 1)
            if mode not in DELIVERY_MODES or not isinstance(seconds, int | float) or not 0 < seconds <= 86400:
                modes = ", ".join(DELIVERY_MODES)
                raise ValueError(f"mode must be one of {modes}; seconds a positive number")
            self._store.set_setting("delivery_mode", mode)
            self._store.set_setting("delivery_seconds", str(seconds))
        log = self._store.delivery_log(SHOWN, request.query_params.get("event"))
        return JSONResponse({"mode": self._delivery(), "deliveries": log})

    async def redeliver(self, request: Request) -> Response:
        """Deliver an event again, to every endpoint that wants its type."""
        event = self._store.get(request.path_params["event"])
        if event is None or event["object"] != "event":
            return JSONResponse({"error": "no such event"}, 404)
        await _body(request)
        endpoints = self._api.call().endpoints_for(event["type"])
        for endpoint in endpoints:
            self._store.owe(event["id"], endpoint, self._api.now(), "normal")
        self._api.after()
        return JSONResponse({"event": event["id"], "endpoints": endpoints})

    async def faults(self, request: Request) -> Response:
        """The faults in force; POST adds one, DELETE takes all away."""
        active = self._faults.active if self._faults else []
        if request.method == "DELETE":
            active.clear()
        elif self._faults and request.method == "POST":
            self._faults.add(await _body(request))
        return JSONResponse({"faults": [one.as_json() for one in active]})

    async def clock(self, request: Request) -> Response:
        """The sandbox's clock; POST moves it by `advance` seconds."""
        if request.method == "POST":
            seconds = (await _body(request)).get("advance")
            if not isinstance(seconds, int | float):
                raise ValueError("advance must be a number of seconds")
            self._api.clock_offset += seconds
            self._api.after()
        return JSONResponse(self._clock())

    def _delivery(self) -> dict[str, Any]:
        seconds = float(self._store.setting("delivery_seconds", "1"))
        return {"mode": self._store.setting("delivery_mode", "normal"), "seconds": seconds}

    def _clock(self) -> dict[str, Any]:
        return {"now": int(self._api.now()), "offset": self._api.clock_offset}


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
