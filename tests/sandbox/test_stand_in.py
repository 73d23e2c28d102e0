"""The stand-in for Stripe.js and the control page, in a real browser."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.sandbox.conftest import client_of

pytestmark = pytest.mark.browser

CHECKOUT = """<!doctype html><body>
<form id="form"><div id="payment"></div><button id="pay">Pay</button></form>
<output id="result"></output><script src="{address}/js/stripe.js"></script><script>
const stripe = Stripe("pk_test_page");
const elements = stripe.elements({options});
elements.create("payment").on("ready", () => {{ result.textContent = "ready"; }}).mount("#payment");
form.onsubmit = async (event) => {{
  event.preventDefault();
  result.textContent = "";
  const {{ error, paymentIntent }} = await stripe.confirmPayment({{
    elements, confirmParams: {{ return_url: location.href }}, redirect: "if_required",
  }});
  result.textContent = error ? `${{error.code}}: ${{error.message}}` : paymentIntent.status;
}};
</script>"""


@pytest.fixture
def checkout():
    """Serve a page from another origin, as a shop would; answers its address."""
    pages = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", "style-src 'none'")
            self.end_headers()
            self.wfile.write(pages[-1].encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

        def publish(page):
            pages.append(page)
            return f"http://127.0.0.1:{server.server_port}/"

        yield publish
        server.shutdown()


def test_a_french_checkout_declined_refused_and_paid(chromium, checkout, serve):
    address = serve()
    client = client_of(address)
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur"})
    variables = {"colorPrimary": "#D4AF37", "colorBackground": "#0F0B19", "borderRadius": "12px"}
    options = {"clientSecret": intent.client_secret, "locale": "fr", "appearance": {"variables": variables}}
    with chromium.new_page() as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda said: "Content Security" in said.text and problems.append(said.text))
        page.goto(checkout(CHECKOUT.format(address=address, options=json.dumps(options))))

        def pay(number, **typed):
            page.fill("input[name=number]", number)
            page.fill("input[name=expiry]", "1234")
            page.fill("input[name=cvc]", typed.get("cvc", "123"))
            page.click("#pay")

        def result(text):
            page.wait_for_function("text => result.textContent.includes(text)", arg=text, timeout=5000)

        result("ready")
        assert "Stripe local" in page.inner_text("#payment [role=note]")
        field = page.locator("input[name=number]")
        assert field.evaluate("input => getComputedStyle(input).borderRadius") == "12px"
        assert field.evaluate("input => getComputedStyle(input).backgroundColor") == "rgb(15, 11, 25)"
        pay("4242", cvc="")
        result("incomplete_number: Votre numéro de carte est incomplet.")
        pay("4000000000009995")
        result("card_declined: Votre carte n’a pas les fonds suffisants.")
        bank = page.frame_locator("iframe[name=lumira-sandbox-3ds]")
        pay("4000000000003220")
        bank.get_by_role("button", name="Faire échouer").click()
        result("payment_intent_authentication_failure: Nous n’avons pas pu authentifier")
        pay("4000000000003220")
        page.get_by_role("button", name="Fermer").click()
        result("payment_intent_authentication_failure")
        pay("4000000000003220")
        bank.get_by_role("button", name="Réussir").click()
        result("succeeded")
        page.reload()
        page.get_by_text("Ce paiement est déjà terminé.").wait_for()
        assert problems == []
    assert client.v1.payment_intents.retrieve(intent.id).status == "succeeded"


NEXT_ACTION = """<!doctype html><body><output id="result"></output>
<script src="{address}/js/stripe.js"></script><script>
if (!location.search) Stripe("pk_test_page").handleNextAction({{ clientSecret: "{secret}" }}).then(
  ({{ paymentIntent }}) => {{ result.textContent = paymentIntent.status; }},
  (error) => {{ result.textContent = error.message; }},
);
</script>"""


def test_what_a_server_has_confirmed_is_authenticated_where_its_next_action_says(chromium, checkout, serve):
    """https://docs.stripe.com/js/payment_intents/handle_next_action."""
    address = serve()
    client = client_of(address)
    asked = {
        "amount": 4700,
        "currency": "eur",
        "payment_method": "pm_card_threeDSecure2Required",
        "confirm": True,
    }
    shop = checkout("")

    def confirmed(**how):
        intent = client.v1.payment_intents.create(asked | how)
        checkout(NEXT_ACTION.format(address=address, secret=intent.client_secret))
        return intent.id

    with chromium.new_page() as page:
        confirmed(use_stripe_sdk=True)
        page.goto(shop)
        page.frame_locator("iframe").get_by_role("button", name="Complete").click()
        page.get_by_text("succeeded").wait_for()
        # With a return_url the customer is led to the bank's page and back, not shown it in a frame.
        identifier = confirmed(return_url=shop)
        page.goto(shop)
        page.get_by_role("button", name="Complete").click()
        page.wait_for_url(f"{shop}?payment_intent={identifier}*redirect_status=succeeded")
        page.goto(shop)
        page.get_by_text("not in the requires_action state").wait_for()


def test_the_control_page_shows_and_switches(chromium, serve):
    address = serve()
    client = client_of(address)
    intent = client.v1.payment_intents.create({"amount": 4700, "currency": "eur", "description": "Oracle"})
    with chromium.new_page() as page:
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(f"{address}/payment_intents/{intent.id}")
        page.get_by_role("cell", name="Oracle").wait_for()
        page.wait_for_function("id => detail.textContent.includes(id)", arg=intent.id)
        with page.expect_response("**/_sandbox/deliveries"):
            page.select_option("#mode", "off")
        with page.expect_response("**/_sandbox/faults"):
            page.get_by_role("button", name="Arm").click()
        page.get_by_text("armed: 1 × 429").wait_for()
        page.get_by_role("button", name="event 1").click()
        page.get_by_role("cell", name="payment_intent.created").click()
        assert problems == []
