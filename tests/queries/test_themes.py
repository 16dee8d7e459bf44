"""The list of themes and one theme's page: what is shown, in which order, and what is not."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotFound
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import DemandType, Quadrant, Strategy, ThemeStatus
from closedloop.models import ImpactMeasurement
from closedloop.queries.contact_drivers import list_drivers
from closedloop.queries.theme_figures import shorten
from closedloop.queries.theme_page import Week, fold_codes
from closedloop.queries.themes import (
    ThemeFilter,
    ThemeSort,
    ThemeView,
    count_views,
    get_theme_page,
    list_themes,
)
from closedloop.services.triage import accept_candidate, park_theme, undo_decision
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_contact
from tests.factories.rollups import make_evidence, make_likeness, make_rollup
from tests.factories.series import make_definitions
from tests.factories.themes import (
    make_action,
    make_driver,
    make_intervention,
    make_stats,
    make_theme,
)
from tests.statements import count_statements

AS_OF = date(2026, 5, 11)
FIRST_DAY = date(2025, 5, 12)


def keys(found):
    return [row.key for row in found.rows]


def measure(session, intervention, definitions, verdict, as_of, is_look=True, middle=500.0):
    session.add(
        ImpactMeasurement(
            intervention_id=intervention.id,
            as_of=as_of,
            look=1,
            is_look=is_look,
            definition_set_id=definitions.id,
            definition_number=1,
            method_version="1",
            n_pre=300,
            n_post=14,
            observed=1000,
            expected=1000 + middle,
            avoided=middle,
            avoided_low=middle - 100,
            avoided_high=middle + 100,
            p_value=0.001,
            verdict=verdict,
            reasons=[],
            handle_seconds=300.0,
            pence_per_minute=62.0,
            detail={},
            inputs=b"",
            input_sha256=f"{as_of}{is_look}".ljust(64, "0"),
        )
    )
    session.flush()


def test_list_themes_shows_only_the_statuses_of_the_view(session):
    for status in ThemeStatus:
        into = make_theme(session, ThemeStatus.ACTING) if status is ThemeStatus.MERGED else None
        make_theme(session, status, merged_into_id=into.id if into else None)

    views = {
        view: {row.status for row in list_themes(session, ThemeFilter(view=view), k=5).rows}
        for view in ThemeView
    }

    assert views[ThemeView.CANDIDATES] == {ThemeStatus.CANDIDATE}
    assert views[ThemeView.PARKED] == {ThemeStatus.PARKED}
    assert views[ThemeView.CLOSED] == {ThemeStatus.CLOSED, ThemeStatus.ACCEPTED}
    assert ThemeStatus.REOPENED in views[ThemeView.OPEN]
    assert ThemeStatus.CLOSED not in views[ThemeView.OPEN]
    assert views[ThemeView.ALL] == set(ThemeStatus)
    assert count_views(session)[ThemeView.ALL] == len(ThemeStatus) + 1


def test_list_themes_orders_by_rates_and_change_not_by_counts(session):
    often = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, often, mature=1000, repeats_same=200, contacts_4_weeks=100)
    seldom = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, seldom, mature=100, repeats_same=40, contacts_4_weeks=200)
    uncounted = make_theme(session, ThemeStatus.ACTING)

    for sort, expected in (
        (ThemeSort.REPEATS, [seldom.key, often.key, uncounted.key]),
        (ThemeSort.RISING, [seldom.key, often.key, uncounted.key]),
    ):
        assert keys(list_themes(session, ThemeFilter(sort=sort), k=5)) == expected
    upwards = ThemeFilter(sort=ThemeSort.NAME, descending=False)
    assert keys(list_themes(session, upwards, k=5)) == [often.key, seldom.key, uncounted.key]


def test_list_themes_goes_on_after_a_row_without_losing_equals(session):
    made = []
    for contacts in (50, 70, 70, 70, 90):
        theme = make_theme(session, ThemeStatus.ACTING)
        make_stats(session, theme, contacts=contacts)
        made.append(theme.key)

    seen, after = [], ""
    while True:
        found = list_themes(session, ThemeFilter(after=after), k=5, limit=2)
        seen += keys(found)
        after = found.after
        if not after:
            break

    assert seen == [made[4], made[1], made[2], made[3], made[0]]


def test_list_themes_hides_the_figures_of_a_theme_with_few_customers(session):
    small = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, small, customers=4, contacts=9000)
    enough = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, enough, customers=5, contacts=60)

    found = list_themes(session, ThemeFilter(), k=5)

    assert keys(found) == [enough.key, small.key], "its place would tell its size"
    assert found.rows[1].figures is None
    assert found.rows[1].is_small
    assert found.contacts == 60, "a total with it could be taken apart"


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"q": "REFUND dispute"}, True),
        ({"q": "refund card"}, False),
        ({"q": "100%"}, False),
        ({"demand_type": DemandType.FAILURE}, True),
        ({"demand_type": DemandType.VALUE}, False),
        ({"quadrant": Quadrant.SIMPLIFY}, True),
        ({"quadrant": Quadrant.DIGITISE}, False),
        ({"owner_id": 0}, True),
        ({"department_id": 0}, False),
        ({"status": ThemeStatus.REOPENED}, True),
        ({"status": ThemeStatus.ACTING}, False),
    ],
)
def test_list_themes_narrows_by_each_filter(session, wanted, fits):
    make_theme(
        session,
        ThemeStatus.REOPENED,
        name="Refund not received after a dispute",
        scenario="",
        keywords=[],
        demand_type=DemandType.FAILURE,
        customer_values=False,
        company_values=True,
        department=make_department(session),
    )

    assert bool(list_themes(session, ThemeFilter(**wanted), k=5).rows) is fits


def test_list_themes_adds_up_by_quadrant(session):
    for customer, seconds in ((False, 6000), (False, 600), (True, 60)):
        theme = make_theme(
            session, ThemeStatus.ACTING, customer_values=customer, company_values=False
        )
        make_stats(session, theme, handle_seconds=seconds, mature=10, repeats_same=3)

    found = list_themes(session, ThemeFilter(), k=5)

    assert [(t.quadrant, t.themes, t.sums.handle_seconds) for t in found.quadrants] == [
        (Quadrant.ELIMINATE, 2, 6600),
        (Quadrant.DIGITISE, 1, 60),
    ]
    assert found.repeat_same == pytest.approx(0.3)


def test_a_theme_tells_no_share_time_or_change_that_is_of_a_few_contacts(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    few = {"mature": 100, "repeats_any": 30, "repeats_same": 2, "handled": 3}
    make_stats(session, theme, **few, contacts_4_weeks=60, contacts_4_weeks_before=4)

    (row,) = list_themes(session, ThemeFilter(), k=5).rows

    assert row.figures.repeat_same is None
    assert row.figures.repeat_any == pytest.approx(0.3)
    assert row.figures.minutes is None
    assert row.figures.minutes_each is None
    assert row.figures.change is None


@pytest.mark.parametrize(
    ("repeats", "told"),
    [
        ((0, 30), 0.15),
        ((2, 30), None),  # the two are the total less the thirty
        ((3, 4, 30), 37 / 300),
        ((1, 1, 30), None),
        ((2,), None),
        ((0,), 0.0),
    ],
)
def test_a_total_of_themes_is_told_where_it_gives_no_few_contacts_of_one_away(
    session, repeats, told
):
    driver = make_driver(session)
    for number in repeats:
        theme = make_theme(session, ThemeStatus.ACTING, driver_id=driver.id)
        each = {"mature": 100, "repeats_any": number, "repeats_same": number}
        make_stats(session, theme, **each, handled=number, handle_seconds=60 * number)
    drivers = list_drivers(session, k=5)

    found = list_themes(session, ThemeFilter(by_driver=True), k=5)

    seen = [found, found.groups[0], drivers.rows[0]]
    minutes = None if told is None or not sum(repeats) else sum(repeats)
    for sums in seen:
        assert sums.repeat_same == (None if told is None else pytest.approx(told))
        assert sums.repeat_any == (None if told is None else pytest.approx(told))
        assert sums.minutes == minutes


def test_list_themes_gives_the_verdict_of_the_newest_look(session):
    theme = make_theme(session, ThemeStatus.MEASURING)
    definitions = make_definitions(session, [theme])
    for went_live, verdict, as_of, is_look in (
        (date(2026, 3, 1), Verdict.FELL, date(2026, 4, 1), True),
        (date(2026, 1, 5), Verdict.NO_CHANGE, date(2026, 5, 1), True),
        (date(2026, 2, 1), Verdict.ROSE, date(2026, 5, 9), False),
    ):
        action = make_action(session, theme, ActionStatus.SHIPPED)
        intervention = make_intervention(session, action, went_live_on=went_live)
        measure(session, intervention, definitions, verdict, as_of, is_look)

    row = list_themes(session, ThemeFilter(), k=5).rows[0]

    assert row.verdict is Verdict.NO_CHANGE
    assert row.went_live_on == date(2026, 3, 1)


def test_get_theme_page_of_nothing_is_not_found(session):
    with pytest.raises(NotFound, match="T-404"):
        get_theme_page(session, "T-404", k=5, first_day=FIRST_DAY)


def test_get_theme_page_draws_a_year_to_the_last_counted_day(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, theme, as_of=AS_OF)
    make_rollup(session, theme, AS_OF, 4, same_7d=1)
    make_rollup(session, theme, AS_OF, 3, disposition="Other")
    make_rollup(session, theme, AS_OF - timedelta(days=363), 9)
    make_rollup(session, theme, AS_OF - timedelta(days=364), 1000)
    make_rollup(session, theme, AS_OF + timedelta(days=1), 1000)

    trend = get_theme_page(session, theme.key, k=5, first_day=date(2020, 1, 1)).trend

    assert len(trend.days) == 364
    assert (trend.days[-1], trend.contacts[-1], trend.followed[-1]) == (AS_OF, 7, 1)
    assert trend.contacts[0] == 9
    assert sum(trend.contacts) == 16
    assert trend.maturing_from == date(2026, 5, 5)


def test_trend_counts_whole_weeks_and_leaves_open_ones_unknown(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, theme, as_of=AS_OF)  # a Monday
    for ago in range(21):
        make_rollup(session, theme, AS_OF - timedelta(days=ago), 2, same_7d=1)

    page = get_theme_page(session, theme.key, k=5, first_day=AS_OF - timedelta(days=20))

    assert page.trend.whole_weeks(5) == [
        Week(date(2026, 4, 27), 14, 7, is_maturing=False),
        Week(date(2026, 5, 4), 14, 7, is_maturing=True),
    ]


def test_get_theme_page_of_few_customers_has_no_figures_words_or_codes(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, theme, customers=4)
    make_rollup(session, theme, AS_OF, 40)
    make_evidence(session, theme, make_contact(session, theme=theme, text="A secret."))

    page = get_theme_page(session, theme.key, k=5, first_day=FIRST_DAY)

    assert page.is_small
    assert (page.figures, page.trend, page.quotes, page.codes) == (None, None, (), ())


def test_get_theme_page_quotes_in_order_of_rank(session):
    theme = make_theme(session, ThemeStatus.ACTING)
    make_stats(session, theme)
    for rank, text in ((2, "Second."), (1, "First.")):
        make_evidence(session, theme, make_contact(session, theme=theme, text=text), rank=rank)
    expired = make_contact(session, theme=theme, text=None)
    make_evidence(session, theme, expired, kind="contrary")

    page = get_theme_page(session, theme.key, k=5, first_day=FIRST_DAY)

    assert [quote.text for quote in page.quotes] == ["First.", "Second."]


def test_get_theme_page_names_neighbours_that_still_stand(session):
    theme, near = make_theme(session), make_theme(session, ThemeStatus.ACTING)
    gone = make_theme(session, ThemeStatus.RETIRED)
    few = make_theme(session)
    make_likeness(session, theme, near, 0.6, customers=12)
    make_likeness(session, theme, gone, 0.9)
    make_likeness(session, theme, few, 0.7, customers=4)

    page = get_theme_page(session, theme.key, k=5, first_day=None)

    assert [(n.key, n.customers_in_both) for n in page.near] == [(few.key, None), (near.key, 12)]


def test_get_theme_page_gives_each_action_its_newest_look(session):
    theme = make_theme(session, ThemeStatus.MEASURING)
    definitions = make_definitions(session, [theme])
    action = make_action(session, theme, ActionStatus.SHIPPED)
    intervention = make_intervention(session, action)
    measure(session, intervention, definitions, Verdict.INCONCLUSIVE, date(2026, 3, 20), middle=50)
    measure(session, intervention, definitions, Verdict.FELL, date(2026, 4, 20), middle=400)
    measure(session, intervention, definitions, Verdict.ROSE, date(2026, 4, 25), is_look=False)
    waiting = make_action(session, theme)

    page = get_theme_page(session, theme.key, k=5, first_day=FIRST_DAY)

    assert [a.key for a in page.actions] == [waiting.key, action.key]
    assert page.actions[0].verdict is None
    assert (page.actions[1].verdict, page.actions[1].avoided_low) == (Verdict.FELL, 300)
    assert page.definition_number == 1


def test_history_offers_to_undo_only_the_newest_decision(session, settings, actor):
    theme = make_theme(session)
    accepted = accept(session, theme, actor)
    until = date(2100, 1, 1)
    parked = park_theme(
        session,
        theme_id=theme.id,
        until=until,
        reason="Later.",
        today=date(2026, 5, 12),
        by=actor,
    )

    def undoable():
        page = get_theme_page(session, theme.key, k=5, first_day=None)
        return [h.undo_decision_id for h in page.history if h.undo_decision_id]

    assert undoable() == [parked.id]
    undo_decision(session, settings=settings, decision_id=parked.id, by=actor)
    assert undoable() == [accepted.id]
    make_action(session, theme)
    assert undoable() == [], "an action was proposed on the strength of it"


def accept(session, theme, actor):
    return accept_candidate(
        session,
        theme_id=theme.id,
        name="Card has not arrived",
        scenario="Customers call because the card does not come.",
        demand_type=DemandType.FAILURE,
        customer_values=False,
        company_values=False,
        department_id=make_department(session).id,
        strategy=Strategy.ELIMINATE,
        by=actor,
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([("A", 60), ("B", 22), ("C", 11), ("D", 4), ("E", 3)], [60, 22, 11, 7]),
        ([("A", 60), ("B", 22), ("C", 11), ("D", 4)], [60, 22, 15]),
        ([("A", 60), ("B", 4)], [64]),
        ([("A", 60)], [60]),
        ([("A", 2), ("B", 1)], []),
        ([], []),
    ],
)
def test_fold_codes_leaves_no_cell_below_k_nor_one_to_be_subtracted(counts, expected):
    assert [code.contacts for code in fold_codes(counts, 5)] == expected


def test_shorten_cuts_at_a_word():
    assert shorten("one  two\nthree", 100) == "one two three"
    assert shorten("alpha beta, gamma", 12) == "alpha beta …"


def test_number_of_statements_does_not_grow_with_the_themes(session):
    def fill(n):
        for _ in range(n):
            owner = make_user(session)
            theme = make_theme(
                session, ThemeStatus.ACTING, owner=owner, department=make_department(session)
            )
            make_stats(session, theme)
            make_intervention(session, make_action(session, theme, ActionStatus.SHIPPED))
        session.flush()
        session.expunge_all()

    def statements():
        with count_statements(session.get_bind()) as seen:
            list_themes(session, ThemeFilter(), k=5)
        return len(seen)

    fill(3)
    first = statements()
    fill(6)

    assert (first, statements()) == (5, 5)
