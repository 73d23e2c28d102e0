"""Every page as staff see it, from the demo data: `make screenshots`.

    python docs/take_screenshots.py [--every]

Starts `lumira run --demo` on a home of its own and photographs each page in Chromium, dark and light, French
and English, on a desktop and on a phone, into build/screenshots. The few that the documentation shows are
kept in docs/screenshots; with --every all are taken, without it those few.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from lumira.child_process import free_port

ROOT = Path(__file__).parents[1]
ALL = ROOT / "build" / "screenshots"
KEPT = ROOT / "docs" / "screenshots"
WIDTHS = {"desktop": (1440, 900), "phone": (390, 844)}
TOKEN = "token-of-the-screenshots"  # noqa: S105
# A page and its address; {paid} is the id of a paid order.
PAGES = {
    "overview": "/overview",
    "orders": "/orders",
    "orders-filtered": "/orders?status=failed,pending",
    "order": "/order?id={paid}",
    "new-payment": "/new-payment",
    "revenue": "/revenue",
    "payouts": "/payouts",
    "month-close": "/month-close?compared=yes",
    "webhooks": "/webhooks",
    "reconciliation": "/reconciliation",
    "system": "/system",
    "staff": "/staff",
    "audit": "/audit",
    "account": "/account",
}
# Those that README and guides show.
TOLD = (
    *("overview", "orders-filtered", "order", "new-payment"),
    *("revenue", "month-close", "webhooks", "reconciliation", "audit"),
)


@dataclass(frozen=True)
class Shot:
    """One picture: which page, how wide, in which light and language."""

    page: str
    width: str
    light: str
    language: str

    @property
    def file(self) -> Path:
        """Where it goes when all are taken."""
        return ALL / f"{self.page}-{self.width}-{self.light}-{self.language}.png"


SHOWN = [
    *(Shot(page, "desktop", "dark", "fr") for page in TOLD),
    Shot("revenue", "desktop", "light", "en"),
    Shot("overview", "phone", "light", "fr"),
    Shot("orders", "phone", "dark", "fr"),
]


def main() -> None:
    """Takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", action="store_true")
    every = [Shot(*which) for which in itertools.product(PAGES, WIDTHS, ("dark", "light"), ("fr", "en"))]
    ALL.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, demo(Path(home)) as url, sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium-headless-shell") or shutil.which("chromium"),
            args=["--no-sandbox", "--disable-background-networking"],
        )
        paid = pay(url, Path(home))
        for shot in every if parser.parse_args().every else SHOWN:
            take(chromium, url + PAGES[shot.page].format(paid=paid), shot)
            print(shot.file.relative_to(ROOT), flush=True)
        chromium.close()
    for shot in SHOWN:
        keep(shot)


@contextmanager
def demo(home: Path) -> Iterator[str]:
    """A desk with the demo data; its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "lumira", "run", "--demo"],
        env={
            **os.environ,
            "LUMIRA_HOME": str(home),
            "LUMIRA_PORT": str(port),
            "LUMIRA_API_TOKEN": TOKEN,
        },
        stdout=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not is_ready(url):
            if process.poll() is not None:
                sys.exit("The desk does not start.")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def is_ready(url: str) -> bool:
    """Whether the desk answers and store and Stripe do."""
    try:
        return httpx.get(f"{url}/api/ready", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def pay(url: str, home: Path) -> str:
    """Creates an order and pays it, so that webhooks arrive; its PaymentIntent's id."""
    created = httpx.post(
        f"{url}/api/products/create-payment-intent",
        json={
            "productId": "profond",
            "customerName": "Zoé Le Goff",
            "customerEmail": "zoe.legoff@example.com",
        },
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=20,
    )
    order_id: str = created.raise_for_status().json()["orderId"]
    stripe = (home / "sandbox.url").read_text().strip()
    key = json.loads((home / "sandbox.json").read_text())["secret_key"]
    httpx.post(
        f"{stripe}/v1/payment_intents/{order_id}/confirm",
        data={"payment_method": "pm_card_visa", "return_url": url},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
    ).raise_for_status()
    time.sleep(2)
    return order_id


def take(chromium: Browser, address: str, shot: Shot) -> None:
    """Photographs a page when its script, and what it has drawn, have come to rest."""
    width, height = WIDTHS[shot.width]
    context = chromium.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if shot.light == "dark" else "light",
        locale="fr-FR" if shot.language == "fr" else "en-GB",
    )
    page = context.new_page()
    page.goto(address)
    page.locator("[data-testid='stApp'][data-test-script-state='notRunning']").wait_for(timeout=60_000)
    picture = None
    # Charts grow, and their colours come, after the script is done.
    for _ in range(20):
        before, picture = picture, page.screenshot(path=shot.file)
        if picture == before:
            break
        page.wait_for_timeout(1_000)
    context.close()


def keep(shot: Shot) -> None:
    """Puts a picture among those of the documentation, small: 256 colours, rare ones too, each as it is."""
    suffix = "" if (shot.width, shot.light) == ("desktop", "dark") else f"-{shot.width}-{shot.light}"
    name = re.sub("-desktop", "", f"{shot.page}{suffix}") + ".png"
    KEPT.mkdir(exist_ok=True)
    with Image.open(shot.file) as picture:
        # Without a pass of k-means the ground takes a tint of its own in each picture.
        small = picture.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1)
        small.save(KEPT / name, optimize=True)


if __name__ == "__main__":
    main()
