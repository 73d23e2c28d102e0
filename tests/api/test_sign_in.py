"""What the page of the sign-in says."""

from dataclasses import replace

import pytest

from lumira import desk as desks
from lumira.access import Role
from tests import web
from tests.test_staff import EMAIL, PASSWORD


@pytest.mark.parametrize(
    ("language", "words"),
    [("fr", "Demandez à un administrateur de réinitialiser"), ("en", "Ask an administrator to reset")],
)
def test_whose_authenticator_can_not_be_checked_any_more_is_told_what_to_do(
    api_server, desk, admin, documents, language, words
):
    desk.staff.add(EMAIL, Role.SUPPORT, password=PASSWORD, actor=admin)
    # As it is after the signing key was changed.
    documents.staff.update_one({"_id": EMAIL}, {"$set": {"totpSecret": "aes256gcm:AAAA"}})

    def sign_in(password):
        return web.post(
            f"{api_server}/sign-in",
            data={"email": EMAIL, "password": password},
            headers={"Accept-Language": language, "Origin": api_server, "Sec-Fetch-Site": "same-origin"},
        )

    refused = sign_in(PASSWORD)
    assert refused.status_code == 401
    assert words in refused.text
    assert words not in sign_in("a wrong password").text
    desk.staff.reset(EMAIL, actor=admin)
    assert not desk.staff.all(actor=admin)[0].has_totp


def test_who_signs_in_after_a_session_has_ended_is_led_back_to_the_page(api_server, desk):
    desks.use(replace(desk, is_demo=False))

    def shown(referer, query="ended=1"):
        headers = {"Accept-Language": "fr"} | ({"Referer": referer} if referer else {})
        return web.get(f"{api_server}/sign-in?{query}", headers=headers).text

    page = shown(f"{api_server}/orders?status=failed&q=zo%C3%A9")
    assert 'name="next" value="/orders?status=failed&amp;q=zo%C3%A9"' in page
    assert "Votre session est terminée" in page
    for other in (None, "https://elsewhere.example/orders", f"{api_server}/sign-out", "http://[", "//"):
        page = shown(other)
        assert 'name="next" value=""' in page
        assert "Votre session est terminée" in page
    assert 'name="next" value=""' in shown(f"{api_server}/orders", query="left=1")


@pytest.mark.parametrize("origin", ["https://elsewhere.example", "http://[", "null", ""])
def test_what_is_not_sent_from_here_is_refused_whatever_it_says_of_itself(api_server, desk, admin, origin):
    desk.staff.add(EMAIL, Role.SUPPORT, password=PASSWORD, actor=admin)
    given = {"email": EMAIL, "password": PASSWORD}
    assert web.post(f"{api_server}/sign-in", data=given, headers={"Origin": origin}).status_code == 403
    assert web.post(f"{api_server}/sign-out", headers={"Origin": origin}).status_code == 403
