"""Could what is expected of an action be proven: is the right thing read, and said?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import NotFound, NotMeasurable
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ActionTheme, ImpactPrior
from closedloop.services.impact_power import foresee_power
from ml.impact.power import could_be_proven
from tests.factories.contacts import make_contact
from tests.factories.series import add_days, draw_counts, make_alike, make_controls
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.statements import count_statements

FIRST, LAST = date(2025, 6, 2), date(2026, 2, 2)
N_DAYS = (LAST - FIRST).days + 1
DUE = date(2026, 3, 10)


class Site:
    """A theme with an action that is due, among unaffected themes."""

    def __init__(self, session, *, mean=20.0, n_controls=6, **values):
        self.session = session
        self.theme = make_theme(session, ThemeStatus.ACTING)
        self.counts = self.write(self.theme, mean=mean, seed=1)
        self.controls = make_controls(session, number=n_controls, first_day=FIRST, n_days=N_DAYS)
        self.action = make_action(session, self.theme, **{"due_on": DUE, **values})
        for day in (FIRST, LAST):
            make_contact(session, local_day=day, cluster=-1)

    def write(self, theme, *, mean, seed):
        counts = draw_counts(seed, mean=mean, first_day=FIRST, n_days=N_DAYS)
        add_days(self.session, theme, FIRST, counts)
        return counts

    def foresee(self, settings, **values):
        return foresee_power(self.session, settings=settings, action_id=self.action.id, **values)


@pytest.fixture
def no_holidays(settings):
    return type(settings)(**{**vars(settings), "holiday_country": ""})


def test_an_action_that_is_due_is_reckoned_from_its_due_day(session, settings):
    found = Site(session).foresee(settings)

    assert (found.live_on, found.data_to, found.n_pre) == (DUE, LAST, N_DAYS)
    assert [look.day for look in found.looks] == [
        DUE + timedelta(days=days - 1) for days in (14, 28, 56, 84)
    ]
    assert [look.number for look in found.looks] == [1, 2, 3, 4]
    assert (found.controls, found.themes) == (6, 1)
    assert 18 < found.per_day < 22
    assert found.sure == found.looks[0]  # 30 % of 20 a day


def test_the_numbers_are_those_of_the_theme_and_its_comparison(session, no_holidays):
    site = Site(session)
    columns = [
        draw_counts(100 + n, mean=6 + 2 * n, first_day=FIRST, n_days=N_DAYS) for n in range(6)
    ]
    expected = could_be_proven(
        site.counts, 0.3, FIRST, controls=list(zip(*columns, strict=True)), alpha=0.015
    )

    found = site.foresee(no_holidays)

    assert [look.chance for look in found.looks] == [look.chance for look in expected.looks]
    assert [look.smallest_seen for look in found.looks] == [
        look.smallest_seen for look in expected.looks
    ]


def test_an_action_past_its_day_goes_live_on_the_day_after_the_data(session, settings):
    for due in (None, date(2026, 1, 1)):
        assert Site(session, due_on=due).foresee(settings).live_on == LAST + timedelta(days=1)


def test_a_go_live_that_lies_behind_is_judged_by_the_days_before_it(session, settings):
    site = Site(session)
    live = date(2025, 12, 1)
    # what came since must not be known: it was ten times as much
    add_days(session, site.theme, live, [200] * 40, channel="chat")

    found = site.foresee(settings, live_on=live, rollout_days=5)

    assert (found.data_to, found.n_pre) == (live - timedelta(days=1), (live - FIRST).days)
    assert found.per_day < 22
    assert found.looks[0].day == live + timedelta(days=5 + 13)


def test_a_rare_theme_is_hopeless_and_is_told_what_would_help(session, settings):
    site = Site(session, mean=1.2)
    for seed in (7, 8, 9):
        like = make_theme(session)
        site.write(like, mean=25, seed=seed)
        make_alike(session, site.theme, like, 0.72)

    found = site.foresee(settings)

    assert found.sure is None
    assert found.controls == 6, "themes alike are no comparison"
    assert found.wider is not None
    assert found.wider.themes == 4
    assert found.wider.look.chance >= 0.8


def test_a_rare_theme_is_told_which_quarterly_look_would_do(session, no_holidays):
    site = Site(session, mean=0.3, expected_drop=0.8, n_controls=0)
    found = site.foresee(no_holidays)
    began = next(n for n, count in enumerate(site.counts) if count)
    first = FIRST + timedelta(days=began)
    strict = could_be_proven(site.counts[began:], 0.8, first, alpha=0.001, look_days=(175,))

    assert not found.can_speak, "30 contacts are not to be expected in twelve weeks"
    assert found.later is not None
    assert (found.later.number, found.later.days) == (5, 175)
    assert found.later.day == DUE + timedelta(days=174)
    assert found.later.chance == strict.looks[0].chance >= 0.8


def test_the_site_s_own_prior_is_what_it_reckons_with(session, no_holidays):
    site = Site(session, n_controls=0)
    weights = [0.0] * 55 + [1.0]  # a site that has learnt that its themes are restless
    delivered = site.foresee(no_holidays)
    session.add(
        ImpactPrior(
            as_of=LAST, method_version="2.0", n_themes=60, weights=weights, learnt_by="Priya Nair"
        )
    )
    session.flush()

    own = site.foresee(no_holidays)

    expected = could_be_proven(site.counts, 0.3, FIRST, alpha=0.015, prior=weights)
    assert [look.chance for look in own.looks] == [look.chance for look in expected.looks]
    assert own.looks[3].smallest_seen > delivered.looks[3].smallest_seen


def test_a_clear_case_asks_nothing_more(session, settings):
    found = Site(session).foresee(settings)
    assert (found.later, found.wider) == (None, None)


def test_themes_that_the_action_touches_as_well_are_looked_at_together(session, settings):
    site = Site(session, mean=3.0)
    alone = site.foresee(settings)
    other = make_theme(session)
    site.write(other, mean=30, seed=5)
    session.add(ActionTheme(action_id=site.action.id, theme_id=other.id))
    session.flush()
    session.expire(site.action)

    both = site.foresee(settings)

    assert (alone.themes, both.themes) == (1, 2)
    assert both.per_day == pytest.approx(alone.per_day + 30, rel=0.1)
    assert both.controls == alone.controls, "it is no comparison for itself"


def test_a_theme_with_a_fix_of_its_own_is_no_comparison(session, settings):
    site = Site(session)
    fixed = make_action(session, site.controls[2], ActionStatus.SHIPPED)
    make_intervention(session, fixed, went_live_on=LAST - timedelta(days=10))

    assert site.foresee(settings).controls == 5


def test_short_history_says_how_many_days_are_missing(session, settings):
    found = Site(session).foresee(settings, live_on=FIRST + timedelta(days=40))
    assert (found.n_pre, found.history_lacking) == (40, 20)
    assert not found.can_speak


def test_no_days_before_it_is_refused(session, settings):
    site = Site(session)
    with pytest.raises(NotMeasurable, match="no day before 2025-06-02"):
        site.foresee(settings, live_on=FIRST)


def test_no_contacts_at_all_is_refused(session, settings):
    action = make_action(session)
    with pytest.raises(NotMeasurable, match="Import some first"):
        foresee_power(session, settings=settings, action_id=action.id)


def test_no_action_is_not_found(session, settings):
    with pytest.raises(NotFound, match="no action 404"):
        foresee_power(session, settings=settings, action_id=404)


def test_a_calendar_nobody_knows_does_not_stop_it(session, settings):
    unknown = type(settings)(**{**vars(settings), "holiday_country": "XX"})
    assert Site(session).foresee(unknown).can_speak


def test_a_drop_of_everything_is_reckoned(session, settings):
    assert Site(session, expected_drop=1.0).foresee(settings).looks[3].chance > 0.99


def test_statements_do_not_grow_with_themes(session, settings):
    site = Site(session)
    engine = session.get_bind().engine

    def statements():
        session.expire_all()
        with count_statements(engine) as seen:
            site.foresee(settings)
        return len(seen)

    before = statements()
    make_controls(session, number=4, first_day=FIRST, n_days=N_DAYS, seed=300)
    assert statements() == before <= 12
