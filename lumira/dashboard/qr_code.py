"""QR codes."""

from __future__ import annotations

from typing import Final

import segno

# Night on white: a camera reads it in either light.
_DARK: Final = "#0F0B19"


def qr_code(address: str) -> str:
    """An address as a QR code, in SVG."""
    code = segno.make(address, micro=False, error="m")
    return str(code.svg_inline(border=3, dark=_DARK, light="#FFFFFF", omitsize=True))
