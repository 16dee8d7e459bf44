"""Time and money on the page of an action: capacity first, both errors, what is weaker said."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.impact import Verdict
from closedloop.domain.money import ChannelFacts, MoneyFacts, Price
from tests.factories.impact import make_measurement
from tests.factories.themes import make_action, make_intervention
from tests.pages import text_of
from tests.statements import statements_of

PHONE = {
    "channel": "phone",
    "share": 0.8,
    "contacts": 8000,
    "handled": 8000,
    "weeks": 52,
    "handle_seconds": 480.0,
    "handle_error": 12.0,
    "pence_per_minute": 62.0,
    "price": Price.OWN,
}
CHAT = PHONE | {
    "channel": "chat",
    "share": 0.2,
    "handle_seconds": 720.0,
    "handle_error": 30.0,
    "pence_per_minute": 40.0,
}
REPEATS = {
    "before": {"identified": 1800, "repeats": 540},
    "after": {"identified": 1500, "repeats": 360},
}


def facts(*channels: dict) -> dict:
    return MoneyFacts(tuple(ChannelFacts(**one) for one in channels)).as_detail()


def shipped(session, *, action=None, detail=None, **values):
    """Add the worked example of docs/impact/money.md; return its action."""
    intervention = make_intervention(session, action or make_action(session))
    detail = {"money": facts(PHONE, CHAT), "repeats": REPEATS, **(detail or {})}
    values = {"as_of": date(2026, 3, 30), "observed": 1640, **values}
    make_measurement(session, intervention, detail=detail, **values)
    return intervention.action


def money_of(page, action) -> str:
    html = page.get(f"/impact/{action.key}")
    section = html[html.index('<section class="card" id="money"') :]
    return text_of(section[: section.index("</section>")])


def test_capacity_comes_first_then_money_then_repeats_and_pay_back(manager, session):
    action = make_action(session, cost_low=400_000.0, cost_high=600_000.0)
    text = money_of(manager, shipped(session, action=action))

    parts = [
        "45 to 79 hours",
        "0.36 to 0.65 at this pace",
        "£1,500 to £2,700",
        "159 to 291",
        "£4,000 to £6,000",
        "Between 13 April 2026 and 21 June 2026.",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "capacity, not cash" in text
    assert "the rate when it was measured" in text


def test_the_table_tells_each_channel(manager, session):
    text = money_of(manager, shipped(session))

    assert "Phone 80 % 8.0 minutes ± 0.4 £0.62" in text
    assert "Chat 20 % 12 minutes ± 1.0 £0.40" in text


def test_what_stands_in_is_said(manager, session):
    kept = facts(PHONE | {"price": Price.SITE}, CHAT | {"handle_seconds": None})

    text = money_of(manager, shipped(session, detail={"money": kept}))

    assert "the site's cost of an agent minute stands in" in text
    assert "Nothing is claimed for chat (20 % of the theme's contacts)" in text


def test_a_range_with_zero_is_told_with_its_minus_and_pays_nothing_back(manager, session):
    action = make_action(session, cost_low=1.0, cost_high=2.0)
    shipped(session, action=action, verdict=Verdict.NO_CHANGE, avoided=(-60.0, 25.0, 110.0))

    text = money_of(manager, action)

    assert "−£300 to £550" in text
    assert "It cannot be told while the range holds zero." in text


@pytest.mark.parametrize("verdict", [Verdict.NOT_ENOUGH_DATA, Verdict.TOO_EARLY])
def test_without_a_range_nothing_is_claimed(manager, session, verdict):
    text = money_of(manager, shipped(session, verdict=verdict))

    assert "£" not in text.split("By channel")[0]
    assert "not yet known" in text


def test_a_manager_is_led_to_the_cost_and_an_executive_is_not(sign_in_as, session):
    action = shipped(session)

    manager = sign_in_as(Role.CX_MANAGER)
    assert f"/actions/{action.key}/cost" in manager.get(f"/impact/{action.key}")
    executive = sign_in_as(Role.EXECUTIVE)
    assert f"/actions/{action.key}/cost" not in executive.get(f"/impact/{action.key}")


def test_the_page_takes_as_many_statements_whatever_the_channels(manager, session):
    one = shipped(session, detail={"money": facts(PHONE)})
    many = shipped(
        session, detail={"money": facts(*(PHONE | {"channel": f"c{n}"} for n in range(20)))}
    )
    manager.get(f"/impact/{one.key}")

    assert statements_of(manager, f"/impact/{one.key}") == statements_of(
        manager, f"/impact/{many.key}"
    )


def test_the_working_year_is_set_beside_the_prices(manager, session):
    assert 'value="1600"' in manager.get("/metrics/settings/costs")

    manager.post("/metrics/settings/working-year", {"hours": "1,500"})

    html = manager.get("/metrics/settings/costs")
    assert 'value="1500"' in html
    assert "a price set later never changes what was claimed before" in text_of(html)
    for typed, sentence in (("99", "between 100 and 3,000 hours"), ("many", "no number of hours")):
        answer = manager.post("/metrics/settings/working-year", {"hours": typed}, 422)
        assert sentence in text_of(answer.text)
        assert f'value="{typed}"' in answer.text


def test_a_stakeholder_reads_the_prices_and_sets_no_working_year(sign_in_as):
    page = sign_in_as(Role.STAKEHOLDER)

    page.post("/metrics/settings/working-year", {"hours": "1500"}, 403)


def test_what_was_measured_as_one_pays_back_what_it_cost_together(manager, session):
    cheap = make_action(session, cost_low=1_000.0, cost_high=2_000.0)
    beside = make_action(session, cost_low=5_000_000.0, cost_high=6_000_000.0)
    other = make_intervention(session, beside)
    shipped(session, action=cheap, detail={"joint": [joint(other)]})

    text = money_of(manager, cheap)

    assert (
        "£10.00 to £20.00 £50,010 to £60,020 together with what it was measured as one with" in text
    )
    assert "Not before 9 August 2027, and perhaps not within two years." in text
    beside.cost_low = beside.cost_high = None
    session.commit()
    text = money_of(manager, cheap)
    assert "not stated of everything that it was measured as one with" in text
    assert "It cannot be told: it is measured as one with other changes" in text


def joint(intervention) -> dict:
    action, day = intervention.action, intervention.went_live_on.isoformat()
    return {"id": intervention.id, "key": action.key, "title": action.title, "day": day}
