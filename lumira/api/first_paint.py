"""The page that Streamlit runs in: in the house's light from the first moment, before Streamlit runs."""

from __future__ import annotations

import functools
import gzip
import re
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumira.api.charts_later import asked_for
from lumira.api.languages import language_of

# Streamlit is white or grey until the theme has come over the websocket, a good half second. Before it draws
# anything the system decides between day and night, after that what the reader chose in its menu.
# What moves and fades is Streamlit's, which does not ask who would rather have it still
# (https://www.w3.org/WAI/WCAG22/Understanding/animation-from-interactions). An animation ends at once rather
# than never begins, because scripts wait for its end; a short transition would be one of every element.
_STYLE: Final = """<style>
      html:not(:has(.stApp)) {{ color-scheme: light dark; background: light-dark({light}, {dark}) }}
      .stApp[data-test-script-state="initial"] {{ background: light-dark({light}, {dark}) !important }}
      @media (prefers-reduced-motion: reduce) {{
        *, ::before, ::after {{
          animation-duration: 1ms !important; animation-delay: 0s !important;
          animation-iteration-count: 1 !important; transition: none !important;
        }}
      }}
    </style>
    """
# Headings come in another font than the text, which Streamlit's page asks for early already.
_HEADINGS: Final = "SourceSerifVariable-Roman*.woff2"
_PRELOAD: Final = (
    '\n    <link rel="preload" href="./static/media/{font}" as="font" type="font/woff2" crossorigin />'
)
# What draws an element, Streamlit asks for only once the page's script has sent the first of its kind, and
# then what that needs: what every page has, and figures.
_DRAW_EVERY_PAGE: Final = ("Html", "purify", "TextInput", "Button", "ButtonGroup", "PageLink")
_DRAWN_BY: Final = {"/revenue": "PlotlyChart"}
_NEEDED: Final = re.compile(r'\b(?:from|import)"\./([\w.-]+\.js)"')
_PRELOAD_PROGRAM: Final = '\n    <link rel="modulepreload" href="./static/js/{program}" />'
_ICON: Final = "/sign-in/assets/icon.png"
# Before anything is drawn, or all of it moves once more; behind Streamlit's own styles, which it goes before.
_SHEET: Final = '<link rel="stylesheet" href="/sign-in/assets/lumira.css" />\n  '
_SCRIPTS: Final = "".join(
    f'<script src="/sign-in/assets/{name}" defer></script>\n  '
    for name in ("fields.js", "language.js", "typed.js")
)


class FirstPaint:
    """Answers `house_page` wherever Streamlit answers its own page.

    Those are the pages without a Content-Security-Policy: every route of ours brings one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, and puts the page in place of Streamlit's."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        replaced = False

        async def send_page(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                replaced = message["status"] == 200 and _is_streamlits(headers)
                if replaced:
                    language = language_of(Headers(scope=scope).get("accept-language", ""))
                    drawn_by = _DRAWN_BY.get(scope["path"])
                    page = house_page(language, drawn_by, compressed="content-encoding" in headers)
                    headers.add_vary_header("Accept-Language")
                    # What Streamlit says of its file is not true of this page.
                    for name in ("etag", "last-modified", "accept-ranges"):
                        del headers[name]
                    headers["content-length"] = str(len(page))
                    await send(message)
                    await send({"type": "http.response.body", "body": page})
            if not replaced:
                await send(message)

        await self._app(scope, receive, send_page)


def _is_streamlits(headers: MutableHeaders) -> bool:
    is_page = headers.get("content-type", "").startswith("text/html")
    is_ours = "content-security-policy" in headers
    return is_page and not is_ours and headers.get("content-encoding", "gzip") == "gzip"


@functools.cache
def house_page(language: str, drawn_by: str | None = None, *, compressed: bool = False) -> bytes:
    """Streamlit's page as the house's, `compressed` by gzip.

    It has the house's styles, name, icon and heading font, says which language it is in, moves nothing
    for readers who asked for that, and has fields that keep what is typed.

    `drawn_by` names the program of Streamlit's that the page will need, which is loaded beside its script.

    The backgrounds are those of `.streamlit/config.toml`.
    """
    # Here, because `lumira api` serves no page and need not import what draws them.
    import streamlit
    from streamlit import config

    static = Path(streamlit.__file__).parent / "static"
    page = (static / "index.html").read_text(encoding="utf-8")
    fonts = [_PRELOAD.format(font=font.name) for font in (static / "static" / "media").glob(_HEADINGS)]
    needed: set[str] = set()
    for name in (*_DRAW_EVERY_PAGE, *([drawn_by] if drawn_by else [])):
        for program in (static / "static" / "js").glob(f"{name}.*.js"):
            _add_needed(program, needed)
    # Streamlit's page asks for some of them itself.
    early = [_PRELOAD_PROGRAM.format(program=asked_for(name)) for name in sorted(needed) if name not in page]
    style = _STYLE.format(
        light=config.get_option("theme.light.backgroundColor"),
        dark=config.get_option("theme.dark.backgroundColor"),
    )
    for theirs, ours in (
        ('<html lang="en"', f'<html lang="{language}"'),
        ("<title>Streamlit</title>", f"<title>Oracle Lumira</title>{''.join([*fonts, *early])}"),
        ('href="./favicon.png"', f'href="{_ICON}"'),
        ("</head>", f"{style}{_SCRIPTS}</head>"),
        ("</body>", f"{_SHEET}</body>"),
    ):
        page = page.replace(theirs, ours, 1)
    return gzip.compress(page.encode()) if compressed else page.encode()


def _add_needed(program: Path, needed: set[str]) -> None:
    """Adds the name of this file, and those of the files without which it does not run."""
    if program.name in needed:
        return
    needed.add(program.name)
    for name in _NEEDED.findall(program.read_text(encoding="utf-8")):
        _add_needed(program.with_name(name), needed)
