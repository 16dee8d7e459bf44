"""What a measurement keeps of time and money: by channel, dated, of no few people."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import MeasurementWindow
from closedloop.domain.money import PERSON_MINUTES, Price, read_facts
from closedloop.models import DailyRollup
from closedloop.services.impact import measure_intervention
from closedloop.services.impact_money import money_facts
from closedloop.services.metrics import set_channel_cost
from closedloop.services.site import set_person_minutes
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.factories.rollups import slice_again
from tests.factories.series import add_days, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LIVE = date(2025, 12, 1), date(2026, 2, 23)
N_PRE = (LIVE - FIRST).days  # 84: twelve weeks
WINDOW = MeasurementWindow(FIRST, LIVE, 2, LIVE + timedelta(days=15))
FIRST_COUNTED = LIVE + timedelta(days=2)  # to 10 March
K = 5


@pytest.fixture
def theme(session):
    return make_theme(session)


def add_people(session, theme, channel: str, number: int, *, customers: int | None = None) -> None:
    """Add contacts of a channel, each of another customer unless there are fewer of them."""
    batch = make_batch(session, f"people {channel}")
    people = [make_customer(session) for _ in range(customers or number)]
    for n in range(number):
        make_contact(
            session,
            batch=batch,
            theme=theme,
            channel=channel,
            customer=people[n % len(people)],
            local_day=FIRST + timedelta(days=n % N_PRE),
            text=None,
        )


def facts(session, theme, *, site_pence: float = 62.0):
    kept = money_facts(
        session,
        theme_ids=[theme.id],
        window=WINDOW,
        first_counted=FIRST_COUNTED,
        site_pence=site_pence,
        k=K,
    )
    return read_facts(kept, handle_seconds=0, pence_per_minute=0)


def by_name(found) -> dict:
    return {c.channel: c for c in found.channels}


def test_each_channel_has_its_share_mean_and_error_before_go_live(session, theme):
    add_days(session, theme, FIRST, [3] * N_PRE, handle_seconds=300)
    add_days(session, theme, FIRST, [1] * 42 + [0] * 42, handle_seconds=600, channel="chat")
    add_days(
        session,
        theme,
        FIRST + timedelta(days=42),
        [1] * 42,
        handle_seconds=900,
        channel="chat",
    )
    add_days(session, theme, LIVE, [3] * 16, handle_seconds=9_000)  # after it: not of it
    for channel in ("phone", "chat"):
        add_people(session, theme, channel, K)

    found = by_name(facts(session, theme))

    phone, chat = found["phone"], found["chat"]
    assert (phone.share, chat.share) == (0.75, 0.25)
    assert (phone.contacts, phone.handled, phone.weeks) == (252, 252, 12)
    assert (phone.handle_seconds, phone.handle_error) == (300, 0)
    assert chat.handle_seconds == 750
    # twelve weeks of seven, each 150 seconds off: √(12 / 11 × 12 × (7 × 150)²) / 84
    assert chat.handle_error == pytest.approx((12 / 11 * 12) ** 0.5 * 7 * 150 / 84)


def test_a_channel_of_few_people_has_no_figures_of_its_own(session, theme):
    add_days(session, theme, FIRST, [3] * N_PRE, handle_seconds=300)
    add_days(session, theme, FIRST, [1] * N_PRE, handle_seconds=1_500, channel="branch")
    add_people(session, theme, "phone", K)
    add_people(session, theme, "branch", 20, customers=K - 1)

    found = by_name(facts(session, theme))

    assert set(found) == {"phone", None}
    assert found[None].share == 0.25
    assert found[None].handle_seconds == 600  # the theme's mean, not the branch's


def test_a_contact_without_a_known_customer_is_a_person_of_its_own(session, theme):
    add_days(session, theme, FIRST, [3] * N_PRE)
    batch = make_batch(session)
    for n in range(K):
        day = FIRST + timedelta(days=n)
        make_contact(session, batch=batch, theme=theme, local_day=day, text=None)

    assert set(by_name(facts(session, theme))) == {"phone"}


@pytest.mark.parametrize(
    "days",
    [[1] * 29 + [0] * 55, [9] * 49 + [0] * 35],
    ids=["29 handle times", "7 weeks"],
)
def test_a_channel_with_too_little_takes_the_mean_of_the_theme(session, theme, days):
    add_days(session, theme, FIRST, [9] * N_PRE, handle_seconds=300)
    add_days(session, theme, FIRST, days, handle_seconds=1_200, channel="chat")
    for channel in ("phone", "chat"):
        add_people(session, theme, channel, K)

    found = by_name(facts(session, theme))

    n = sum(days)
    mean = (9 * N_PRE * 300 + n * 1_200) / (9 * N_PRE + n)
    assert set(found) == {"phone", None}
    assert found[None].handle_seconds == pytest.approx(mean)
    assert found["phone"].handle_seconds == 300


def test_a_channel_that_hardly_ever_has_a_handle_time_claims_no_time(session, theme):
    add_days(session, theme, FIRST, [3] * N_PRE)
    add_days(session, theme, FIRST, [1] * N_PRE, channel="email", handle_seconds=0)
    session.query(DailyRollup).filter_by(channel="email").update({"handled": 0})
    slice_again(session)
    for channel in ("phone", "email"):
        add_people(session, theme, channel, K)

    found = facts(session, theme)

    assert by_name(found)["email"].handle_seconds is None
    assert found.timed_share == 0.75


def test_prices_are_those_of_the_counted_days(session, theme, actor):
    add_days(session, theme, FIRST, [3] * N_PRE)
    add_people(session, theme, "phone", K)
    price = {"channel": "phone", "by": actor}
    set_channel_cost(session, valid_from=FIRST, pence_per_minute=50, **price)
    set_channel_cost(session, valid_from=date(2026, 3, 4), pence_per_minute=64, **price)
    set_channel_cost(session, valid_from=date(2026, 3, 11), pence_per_minute=99, **price)

    phone = by_name(facts(session, theme))["phone"]

    assert phone.pence_per_minute == 57  # seven days at 50 and seven at 64
    assert phone.price is Price.OWN


def test_of_two_prices_for_one_day_the_one_set_later_holds(session, theme, actor):
    add_days(session, theme, FIRST, [3] * N_PRE)
    add_people(session, theme, "phone", K)
    for pence in (90, 70):
        set_channel_cost(
            session, channel="phone", valid_from=FIRST, pence_per_minute=pence, by=actor
        )

    assert by_name(facts(session, theme))["phone"].pence_per_minute == 70


def test_where_a_channel_has_no_price_others_stand_in_and_the_vaguest_is_told(
    session, theme, actor
):
    add_days(session, theme, FIRST, [3] * N_PRE)
    add_people(session, theme, "phone", K)

    site = by_name(facts(session, theme))["phone"]
    none = by_name(facts(session, theme, site_pence=0))["phone"]
    set_channel_cost(
        session, channel="", valid_from=date(2026, 3, 4), pence_per_minute=40, by=actor
    )
    mixed = by_name(facts(session, theme))["phone"]
    later = by_name(facts(session, theme, site_pence=0))["phone"]

    assert (site.pence_per_minute, site.price) == (62, Price.SITE)
    assert (none.pence_per_minute, none.price) == (None, Price.NONE)
    assert (mixed.pence_per_minute, mixed.price) == (51, Price.SITE)
    assert (later.pence_per_minute, later.price) == (40, Price.OTHER)


def test_small_channels_share_a_price_by_their_contacts(session, theme, actor):
    add_days(session, theme, FIRST, [3] * 10, channel="fax")
    add_days(session, theme, FIRST, [1] * 10, channel="branch")
    for channel, pence in (("fax", 20), ("branch", 60)):
        set_channel_cost(
            session, channel=channel, valid_from=FIRST, pence_per_minute=pence, by=actor
        )

    assert by_name(facts(session, theme))[None].pence_per_minute == 30


def test_a_theme_without_contacts_before_has_no_facts(session, theme):
    found = facts(session, theme)

    assert found.channels == ()
    assert (found.mean_seconds, found.mean_pence) == (None, None)


def test_the_working_year_is_kept_as_it_was(session, theme, actor):
    add_days(session, theme, FIRST, [3] * N_PRE)
    before = facts(session, theme).person_minutes
    set_person_minutes(session, minutes=90_000, by=actor)
    session.flush()

    assert before == PERSON_MINUTES
    assert facts(session, theme).person_minutes == 90_000


def test_themes_that_a_fix_touches_are_counted_together(session, theme):
    other = make_theme(session)
    add_days(session, theme, FIRST, [3] * N_PRE, handle_seconds=300)
    add_days(session, other, FIRST, [1] * N_PRE, handle_seconds=700)
    kept = money_facts(
        session,
        theme_ids=[theme.id, other.id],
        window=WINDOW,
        first_counted=FIRST_COUNTED,
        site_pence=62,
        k=K,
    )

    assert read_facts(kept, handle_seconds=0, pence_per_minute=0).mean_seconds == 400


def test_a_measurement_keeps_what_turns_its_contacts_into_time_and_money(
    session, settings, actor, theme
):
    add_days(session, theme, FIRST, [20] * N_PRE + [12] * 30, handle_seconds=240)
    make_definitions(session, [theme])
    set_channel_cost(session, channel="", valid_from=FIRST, pence_per_minute=50, by=actor)
    intervention = make_intervention(
        session,
        make_action(session, theme, ActionStatus.SHIPPED),
        went_live_on=LIVE,
        rollout_days=2,
    )
    measure = {"settings": settings, "intervention_id": intervention.id, "by": actor}

    made = measure_intervention(session, as_of=WINDOW.as_of, **measure)
    set_channel_cost(session, channel="", valid_from=FIRST, pence_per_minute=90, by=actor)
    again = measure_intervention(session, as_of=WINDOW.as_of, **measure)

    kept = read_facts(made.detail["money"], handle_seconds=0, pence_per_minute=0)
    assert (kept.mean_seconds, kept.mean_pence) == (240, 50)
    assert again is made  # a price that is set later changes no claim
