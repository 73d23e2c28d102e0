"""What the page of the sign-in says."""

import pytest

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
