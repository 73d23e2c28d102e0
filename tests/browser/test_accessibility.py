"""Every page as axe-core sees it: contrast, names, order of headings, in both lights (WCAG 2.2 AA)."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from tests.browser.conftest import settle

pytestmark = pytest.mark.browser

PAGES = {
    "/overview": "Aujourd’hui",
    "/orders": "Commandes",
    "/new-payment": "Nouveau paiement",
    "/revenue": "Revenus",
    "/month-close": "Clôture",
    "/webhooks": "Webhooks",
    "/reconciliation": "Rapprochement",
    "/system": "Système",
    "/account": "Mon compte",
    "/staff": "Équipe",
}
# Streamlit's own drawing of a figure's little chart has marks without a name.
NOT_OURS = [["[data-testid='stMetricChart']"], ["[data-testid='stSidebarCollapsedControl']"]]


@pytest.mark.parametrize("light", ["dark", "light"])
def test_every_page_can_be_read_by_everyone(chromium: Browser, served, light):
    size = {"width": 1440, "height": 1000}
    context = served.sign_in(chromium.new_context(locale="fr-FR", color_scheme=light, viewport=size))
    found = []
    for path, title in PAGES.items():
        page = context.new_page()
        page.goto(f"{served.url}{path}")
        expect(page.get_by_role("heading", name=title).first).to_be_visible()
        # What is drawn anew fades; a contrast is that of what stands.
        page.add_style_tag(content="* { transition: none !important; animation: none !important }")
        settle(page)
        # The house's own look comes a moment after the page.
        expect(page.locator(".st-key-begin-payment p").first).to_have_css("color", "rgb(27, 19, 38)")
        for violation in Axe().run(page, context={"exclude": NOT_OURS}).response["violations"]:
            found += [
                f"{path} {violation['id']}: {node['html'][:200]} {node['failureSummary']}"
                for node in violation["nodes"]
            ]
        page.close()
    context.close()
    assert found == []
