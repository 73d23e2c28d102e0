"""Charts wait for the rest of their page.

To run Streamlit's program for charts takes a browser a second or more, in which it draws nothing else: the
figures above the charts and the menu beside them came with the charts, though they were there before.
"""

from __future__ import annotations

import re
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

_PROGRAM: Final = re.compile(r"/static/js/(PlotlyChart\.[\w-]+\.js)")
# What the program is asked for with, once the rest of the page is drawn.
_ONCE_DRAWN: Final = "?drawn"
# A page without figures is not waited for longer than this. A look at every frame would take the very time
# that is waited for.
_WAITS: Final = """await new Promise(drawn => {
  const look = () => document.querySelector("[data-testid=stMetric]") && drawn()
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true})
  setTimeout(drawn, 3000)
  look()
})
await new Promise(shown => requestAnimationFrame(() => setTimeout(shown)))
export default (await import("./PROGRAM")).default
"""


class ChartsLater:
    """Stands in for the program that draws charts, with one that loads it when the page has its figures."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes every other request on, and that for the program itself."""
        program = _PROGRAM.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if program is None or scope["query_string"]:
            await self._app(scope, receive, send)
            return
        text = _WAITS.replace("PROGRAM", asked_for(program[1]))
        # As Streamlit's own, whose name changes with what is in it.
        headers = {"cache-control": "public, immutable, max-age=31536000"}
        await Response(text, headers=headers, media_type="text/javascript")(scope, receive, send)


def asked_for(program: str) -> str:
    """By what name a page asks for one of Streamlit's programs, to have it early."""
    return program + _ONCE_DRAWN if _PROGRAM.fullmatch(f"/static/js/{program}") else program
