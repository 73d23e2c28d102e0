"""What the pages share: router, theme, texts, charts, tables."""

from pathlib import Path
from typing import Final

# One file each; its name, with hyphens, is the page's address.
PAGES: Final = Path(__file__).parents[2] / "pages"
