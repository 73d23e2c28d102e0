"""What the site of docs/ takes from beside it: the README and its like, and the API's own OpenAPI document.

They stay where readers of the repository look for them, and their links lead to the same pages here.
https://www.mkdocs.org/dev-guide/plugins/#events
"""

from __future__ import annotations

import json
import posixpath
import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).parent.parent
ICON: Final = ROOT / "lumira" / "dashboard" / "assets" / "icon.png"
# Files of the repository, and the pages of the site that show them.
BESIDE: Final = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "security-policy.md",
}
REFERENCE: Final = """# API reference

What the API says of itself, from the code that answers. Every running desk shows the same at `/api/docs`,
where it can be tried. [How it is meant](api.md) is told apart.

<swagger-ui src="openapi.json"/>
"""
# A link to another file, with what follows # apart.
_LINK: Final = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<path>[^)#\s]+)(?P<anchor>#[^)]*)?\)"
)


# What stands as it is: code, in a line or of several.
_CODE: Final = re.compile(r"(```.*?```|`[^`]*`)", re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages and the document that no file of docs/ holds."""
    from lumira.api.application import application

    for source, page in BESIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "site/icon.png", abs_src_path=str(ICON)))
    files.append(File.generated(config, "openapi.json", content=json.dumps(application().openapi())))
    files.append(File.generated(config, "api-reference.md", content=REFERENCE))
    return files


def on_page_markdown(markdown: str, page: Any, **_others: Any) -> str:
    """Leads the links of a page to pages of the site; one to code stays as its words. Where a line of French
    may not break, it doesn't.
    """
    here = page.file.src_uri
    # Where the text stands in the repository, from which its links are meant.
    folder = "" if here in BESIDE.values() else posixpath.dirname(f"docs/{here}")

    def led(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found["path"]))
        inside = target.removeprefix("docs/") if target.startswith("docs/") else BESIDE.get(target)
        if here == "api-reference.md":
            return found[0]
        if inside is None:
            return found["text"]
        path = posixpath.relpath(inside, posixpath.dirname(here) or ".")
        return f"{found['image']}[{found['text']}]({path}{found['anchor'] or ''})"

    linked = _LINK.sub(led, markdown)
    return _french(linked) if _is_french(page) else linked


def on_post_page(output: str, page: Any, **_others: Any) -> str:
    """Says of a page in French that it is, for who has it read aloud."""
    return output.replace('<html lang="en"', '<html lang="fr"', 1) if _is_french(page) else output


def _is_french(page: Any) -> bool:
    return page.file.src_uri == "tutoriel.md" or page.file.src_uri.startswith("guides/fr/")


def _french(markdown: str) -> str:
    from lumira.texts import with_no_break_spaces

    parts = _CODE.split(markdown)
    return "".join(part if _CODE.fullmatch(part) else with_no_break_spaces(part) for part in parts)
