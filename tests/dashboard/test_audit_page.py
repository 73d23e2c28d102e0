"""Who did what, on its page: by person, by action, of one order."""

from lumira.access import Role
from tests.dashboard.conftest import shown

CLAIRE = "claire@example.com"


def rows(app):
    """What the table tells of each entry: who, what and of which order."""
    frame = app.dataframe[0].value
    return list(frame[["by", "action", "order"]].itertuples(index=False, name=None))


def test_people_first_and_programs_where_they_are_asked_for(open_page, desk, pay, admin):
    pay(customerName="Zoé Martin", customerEmail="zoe@example.com")
    desk.tokens.create("checkout", actor=admin)
    app = open_page("audit")
    assert "Aucune action ne correspond" in shown(app)
    app = open_page("audit", by="*")
    assert rows(app) == [
        ("ada", "Jeton créé", "–"),
        ("claire", "Carte de test essayée", "Zoé Martin"),
        ("claire", "Paiement créé", "Zoé Martin"),
    ]
    details = list(app.dataframe[0].value["details"])
    assert details == ["checkout (Support)", "En attente → Terminée · pm_card_visa", "47,00\u00a0€"]
    # Whoever is chosen is meant, person or not.
    app = open_page("audit", by="checkout")
    assert "Aucune action ne correspond" in shown(app)


def test_one_person_one_action_one_order(open_page, desk, pay, admin):
    desk.staff.add(CLAIRE, Role.SUPPORT, actor=admin)
    paid, _other = pay(customerName="Zoé Martin"), pay()
    desk.staff.disable(CLAIRE, actor=admin)
    app = open_page("audit", by="*", action="disable_staff", locale="en-GB")
    assert rows(app) == [("ada", "Account disabled", "–")]
    app = open_page("audit", order=paid.id)
    assert [row[1:] for row in rows(app)] == [
        ("Carte de test essayée", "Zoé Martin"),
        ("Paiement créé", "Zoé Martin"),
    ]
    assert paid.id in shown(app)


def test_an_order_leads_to_its_entries_for_those_who_may_read_them(open_page, pay, roles):
    paid = pay()
    for role, leads in ((Role.ADMIN, True), (Role.FINANCE, False)):
        roles.append(role)
        links = [link.value for link in open_page("order", id=paid.id).page_link]
        assert ("Voir au journal d’audit" in links) is leads
