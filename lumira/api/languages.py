"""Which of our languages a browser wants."""

from __future__ import annotations


def language_of(accept_language: str) -> str:
    """`fr` or `en`, whichever the browser wants more; French where it asks for neither."""
    wanted = []
    # White space, which may stand around every sign, means nothing.
    for place, part in enumerate("".join(accept_language.split()).split(",")):
        name, _, weight = part.partition(";q=")
        language = name.partition("-")[0].lower()
        if language in {"fr", "en"}:
            try:
                wanted.append((-float(weight or 1), place, language))
            except ValueError:
                continue
    return min(wanted)[2] if wanted else "fr"
