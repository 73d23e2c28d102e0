"""Pages a payer meets: the stand-in for Stripe.js, the bank's 3-D Secure page, and a receipt."""

from __future__ import annotations

import hmac
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from lumira.sandbox.api import Api
from lumira.sandbox.attempts import authenticate
from lumira.sandbox.errors import StripeObject
from lumira.sandbox.money import SYMBOLS, formatted

STATIC = Path(__file__).parent / "static"
TEXTS = {
    "en": {
        "accept": "Complete authentication",
        "again": "This authentication is over. You can close this page.",
        "bank": "Test bank",
        "explanation": "A real bank would now check that it is you. In the sandbox you decide how that ends.",
        "refuse": "Fail authentication",
        "title": "3-D Secure",
        "unknown": "There is nothing to authenticate at this address.",
    },
    "fr": {
        "accept": "Réussir l’authentification",
        "again": "Cette authentification est terminée. Vous pouvez fermer cette page.",
        "bank": "Banque de test",
        "explanation": "Une vraie banque vérifierait ici votre identité. Ici, c’est vous qui choisissez.",
        "refuse": "Faire échouer l’authentification",
        "title": "3-D Secure",
        "unknown": "Il n’y a rien à authentifier à cette adresse.",
    },
}


def routes(api: Api) -> list[Route]:
    """The routes of the payer's pages."""
    templates = Jinja2Templates(STATIC)

    def page(request: Request, intent: StripeObject | None, message: str, status: int = 200) -> Response:
        wanted = request.query_params.get("locale") or request.headers.get("accept-language", "")
        language = "fr" if wanted.lower().startswith("fr") else "en"
        known = {"intent": intent, "language": language, "message": message, "texts": TEXTS[language]}
        amount = _amount(intent, language) if intent else ""
        return templates.TemplateResponse(request, "authenticate.html", {**known, "amount": amount}, status)

    async def stripe_js(_: Request) -> Response:
        headers = {"Cache-Control": "no-cache", "Access-Control-Allow-Origin": "*"}
        return FileResponse(STATIC / "stripe.js", media_type="text/javascript", headers=headers)

    async def authentication(request: Request) -> Response:
        """The bank's page; POST is the cardholder's answer, `accepted` yes or no."""
        intent = api.store.get(request.path_params["intent"])
        secret = request.query_params.get("client_secret", "")
        known = str(intent.get("client_secret")) if intent else ""
        if intent is None or not hmac.compare_digest(known.encode(), secret.encode()):
            return page(request, None, "unknown", 404)
        if intent["status"] != "requires_action":
            return page(request, intent, "again")
        if request.method == "GET":
            return page(request, intent, "")
        accepted = parse_qs((await request.body()).decode()).get("accepted") == ["yes"]
        return_url = (intent["next_action"].get("redirect_to_url") or {}).get("return_url")
        with api.store.transaction():
            call = api.call(base_url=str(request.base_url).rstrip("/"))
            intent = authenticate(call, intent["id"], accepted=accepted)
        api.after()
        if return_url:
            return RedirectResponse(returning(return_url, intent), 303)
        return page(request, intent, "again")

    async def receipt(request: Request) -> Response:
        charge = api.store.get(request.path_params["charge"])
        if charge is None or charge["object"] != "charge":
            return Response("No such receipt.", 404)
        amount = formatted(charge["amount_captured"], charge["currency"])
        return templates.TemplateResponse(request, "receipt.html", {"charge": charge, "amount": amount})

    return [
        Route("/js/stripe.js", stripe_js),
        Route("/redirect/authenticate/{intent}", authentication, methods=["GET", "POST"]),
        Route("/receipts/{charge}", receipt),
    ]


def _amount(intent: StripeObject, language: str) -> str:
    """€1,234.50, or in French 1 234,50 €."""
    currency = intent["currency"]
    shown = formatted(intent["amount"], currency)
    if language != "fr":
        return shown
    number = "".join(sign for sign in shown if sign in "0123456789.,")
    symbol = SYMBOLS.get(currency, currency.upper())
    return f"{number.translate({ord(','): chr(0x202F), ord('.'): ','})}\u00a0{symbol}"


def returning(return_url: str, intent: StripeObject) -> str:
    """The address a payer comes back to: https://docs.stripe.com/js/payment_intents/confirm_payment."""
    status = "failed" if intent["last_payment_error"] else "succeeded"
    added = {
        "payment_intent": intent["id"],
        "payment_intent_client_secret": intent["client_secret"],
        "redirect_status": status,
    }
    parts = urlsplit(return_url)
    return urlunsplit(parts._replace(query="&".join(filter(None, [parts.query, urlencode(added)]))))
