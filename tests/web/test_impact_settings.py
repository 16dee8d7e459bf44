"""The page that says how the method does here, and what measurements start from."""

from __future__ import annotations

from datetime import date, timedelta

import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.models import AuditEvent, ImpactPrior, Job
from tests.factories.contacts import make_contact
from tests.factories.impact import make_measurement
from tests.factories.power import make_check
from tests.factories.rollups import slice_again
from tests.factories.series import add_days
from tests.factories.themes import make_intervention, make_theme
from tests.pages import text_of
from tests.statements import statements_of

URL = "/impact/settings"
LAST = date(2026, 5, 11)


def make_prior(session, weights):
    row = ImpactPrior(
        as_of=LAST, method_version="2.0", n_themes=64, weights=weights, learnt_by="Priya Nair"
    )
    session.add(row)
    session.flush()
    return row


def make_histories(session, number):
    """Add themes with half a year of contacts, the same every day."""
    first = LAST - timedelta(days=181)
    for _ in range(number):
        add_days(session, make_theme(session), first, [2] * 182, is_sliced=False)
    slice_again(session)
    for day in (first, LAST):
        make_contact(session, local_day=day, cluster=-1)


def test_before_the_first_check_the_page_says_when_it_comes(manager):
    text = text_of(manager.get(URL))

    assert "No check has been made yet" in text
    assert "The delivered prior is in force." in text
    assert "0 themes have such a history. That does not suffice; 50 are needed" in text


def test_checks_are_told_newest_first_with_their_interval(manager, session):
    make_check(session, n=120, false=4, as_of=date(2026, 5, 4))
    make_check(session)
    text = text_of(manager.get(URL))

    assert (
        "On 312 dates on which nothing was changed the method cried wolf 9 times: 2.9 % "
        "(1.5 to 5.4 %)." in text
    )
    assert text.index("11 May 2026") < text.index("4 May 2026")
    assert "95.0 %" in text
    assert "too narrow on this site" not in text


def test_an_alarm_stands_where_it_is_seen(manager, session):
    make_check(session, sd_z=1.31)
    make_measurement(session, make_intervention(session))

    assert "1.31 times as wide" in text_of(manager.get(URL))
    portfolio = text_of(manager.get("/impact/"))
    assert "cried wolf 9 times" in portfolio
    assert "1.31 times as wide" in portfolio


def test_the_portfolio_says_nothing_before_the_first_check(manager, session):
    make_measurement(session, make_intervention(session))
    assert "cried wolf" not in text_of(manager.get("/impact/"))


def test_a_check_is_started_by_who_may_measure(manager, session):
    answer = manager.post(f"{URL}/placebos")
    job = session.scalars(sa.select(Job)).one()

    assert answer.headers["Location"].endswith(f"/jobs/{job.id}")
    assert job.arguments == {"placebos": True}


def test_others_read_and_get_no_button(sign_in_as, session):
    make_check(session)
    make_prior(session, [0.5, 0.5])
    page = sign_in_as(Role.EXECUTIVE)
    html = page.get(URL)

    assert "cried wolf 9 times" in text_of(html)
    assert "Check now" not in html
    assert "Back to the delivered one" not in html
    for way in ("placebos", "prior/learn", "prior/delivered"):
        page.post(f"{URL}/{way}", status=403)


def test_fewer_than_fifty_themes_offer_no_learning_and_refuse_it(manager, session):
    make_histories(session, 2)
    html = manager.get(URL)

    assert "Learn from our own themes" not in html
    assert "2 themes have such a history. That does not suffice" in text_of(html)
    manager.post(f"{URL}/prior/learn")
    assert "2 themes have 120 days of contacts" in text_of(manager.get(URL))
    assert session.scalar(sa.select(Job)) is None


def test_fifty_themes_offer_it_and_queue_it(manager, session):
    make_histories(session, 50)

    assert "Learn from our own themes" in manager.get(URL)
    manager.post(f"{URL}/prior/learn")
    assert session.scalars(sa.select(Job)).one().arguments["learn_prior"] is True


def test_the_way_back_is_a_button_and_an_event(manager, session):
    make_prior(session, [0.5, 0.5])
    html = manager.get(URL)
    assert "learnt from 64 themes with data to 11 May 2026, by Priya Nair" in text_of(html)

    manager.post(f"{URL}/prior/delivered")

    text = text_of(manager.get(URL))
    assert "The delivered prior is in force;" in text
    assert f"{manager.user.name} went back to it" in text
    verbs = session.scalars(sa.select(AuditEvent.verb).order_by(AuditEvent.id)).all()
    assert verbs[-1] == "impact.prior_returned"
    manager.post(f"{URL}/prior/delivered")
    assert "in force already" in text_of(manager.get(URL))


def test_statements_do_not_grow_with_checks_and_themes(manager, session):
    make_check(session)
    make_histories(session, 1)
    before = statements_of(manager, URL)
    for days in range(1, 6):
        make_check(session, as_of=LAST - timedelta(days=7 * days))
    make_histories(session, 3)

    assert statements_of(manager, URL) == before
