"""The site's own prior: learnt from enough themes, put down to somebody, and taken back."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE, Actor
from closedloop.domain.errors import Conflict, NotAllowed, NotMeasurable
from closedloop.domain.jobs import JobKind
from closedloop.models import AuditEvent, ImpactPrior
from closedloop.queries.impact_site import find_prior, list_themes_with_history
from closedloop.services.impact_priors import (
    HISTORY_DAYS,
    LEAST_THEMES,
    count_themes_to_learn_from,
    current_prior,
    learn_site_prior,
    queue_learning,
    return_to_delivered,
)
from closedloop.services.long_work import Cancelled
from ml.impact import METHOD_VERSION
from tests.factories.accounts import make_user
from tests.factories.contacts import make_contact
from tests.factories.rollups import slice_again
from tests.factories.series import add_days
from tests.factories.themes import make_action, make_intervention, make_theme

FIRST, LAST = date(2025, 9, 1), date(2025, 12, 31)
N_DAYS = (LAST - FIRST).days + 1


def make_themes(session, number, *, first_day=FIRST, drift=0.05, mean=25):
    """Add themes whose level drifts from day to day."""
    rng = np.random.default_rng(7)
    n_days = (LAST - first_day).days + 1
    themes = []
    for _ in range(number):
        theme = make_theme(session)
        level = mean * np.exp(np.cumsum(rng.normal(0, drift, n_days)))
        counts = [int(count) for count in rng.poisson(level)]
        add_days(session, theme, first_day, counts, is_sliced=False)
        themes.append(theme)
    slice_again(session)
    return themes


def learn(session, settings, by=COMMAND_LINE, **values):
    @contextmanager
    def transactions():
        yield session
        session.flush()

    return learn_site_prior(transactions, settings=settings, as_of=LAST, by=by, **values)


def keep(session, weights, **values):
    row = ImpactPrior(
        **{
            "as_of": LAST,
            "method_version": METHOD_VERSION,
            "n_themes": 60,
            "weights": weights,
            "learnt_by": "Priya Nair",
            **values,
        }
    )
    session.add(row)
    session.flush()
    return row


def test_the_newest_row_holds_and_an_empty_one_is_the_delivered_prior(session):
    assert current_prior(session) is None
    keep(session, [0.25, 0.75])
    assert current_prior(session) == (0.25, 0.75)
    keep(session, [0.5, 0.5])
    assert current_prior(session) == (0.5, 0.5)
    keep(session, [])
    assert current_prior(session) is None


def test_a_site_learns_from_its_own_themes(session, settings):
    make_themes(session, LEAST_THEMES)
    told = []
    row = session.get_one(ImpactPrior, learn(session, settings, report=told.append))

    assert (row.n_themes, row.as_of, row.learnt_by) == (LEAST_THEMES, LAST, "Command line")
    assert len(row.weights) == 56
    assert sum(row.weights) == pytest.approx(1, abs=1e-6)
    assert current_prior(session) == tuple(row.weights)
    assert (told[0].done, told[-1].done, told[-1].total) == (0, LEAST_THEMES, LEAST_THEMES)
    event = session.scalars(sa.select(AuditEvent)).one()
    assert event.verb == "impact.prior_learnt"
    assert event.detail["gain"] > 0
    assert find_prior(session).is_own


def test_fewer_themes_do_not_suffice(session, settings):
    make_themes(session, 3)
    with pytest.raises(NotMeasurable, match=r"3 themes have 120 days .* 50 are needed"):
        learn(session, settings)
    assert session.scalar(sa.select(ImpactPrior)) is None


def test_a_stop_leaves_the_prior_as_it_was(session, settings):
    make_themes(session, LEAST_THEMES, first_day=LAST - timedelta(days=HISTORY_DAYS - 1))

    def stop(progress):
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        learn(session, settings, report=stop)
    assert current_prior(session) is None


def test_only_steady_themes_with_history_are_learnt_from(session, settings):
    good, fixed, long_ago, touched = make_themes(session, 4)
    young = make_themes(session, 1, first_day=LAST - timedelta(days=HISTORY_DAYS - 2))
    sparse = make_theme(session)
    add_days(session, sparse, FIRST, [int(n % 3 == 0) for n in range(N_DAYS)])
    live = {fixed: date(2025, 10, 1), long_ago: date(2024, 12, 1)}
    for theme, day in live.items():
        also = [{"id": touched.id}] if theme is fixed else []
        action = make_action(session, theme)
        make_intervention(session, action, went_live_on=day, plan={"also": also})

    found = list_themes_with_history(session, last_day=LAST, days=HISTORY_DAYS)

    assert found == [good.id, long_ago.id]
    assert young[0].id not in found
    assert count_themes_to_learn_from(session, as_of=LAST) == 2
    assert count_themes_to_learn_from(session, as_of=None) == 0


def test_going_back_is_a_row_of_its_own_with_an_event(session, settings):
    keep(session, [0.5, 0.5])
    row = return_to_delivered(session, settings=settings, by=COMMAND_LINE)

    assert (row.weights, row.n_themes) == ([], 0)
    assert current_prior(session) is None
    assert session.scalars(sa.select(AuditEvent.verb)).all() == ["impact.prior_returned"]
    assert not find_prior(session).is_own
    with pytest.raises(Conflict, match="in force already"):
        return_to_delivered(session, settings=settings, by=COMMAND_LINE)


def test_only_who_may_measure_chooses(session, settings):
    executive = make_user(session, Role.EXECUTIVE)
    by = Actor(executive.name, user_id=executive.id)
    keep(session, [0.5, 0.5])

    for refused in (
        lambda: learn(session, settings, by=by),
        lambda: return_to_delivered(session, settings=settings, by=by),
        lambda: queue_learning(session, settings=settings, by=by),
    ):
        with pytest.raises(NotAllowed):
            refused()


def test_learning_is_queued_only_when_it_can_be_done(session, settings):
    make_themes(session, 1)
    for day in (FIRST, LAST):
        make_contact(session, local_day=day, cluster=-1)
    with pytest.raises(NotMeasurable, match="1 theme has"):
        queue_learning(session, settings=settings, by=COMMAND_LINE)

    make_themes(session, LEAST_THEMES)
    job = queue_learning(session, settings=settings, by=COMMAND_LINE)
    assert job.kind is JobKind.MEASURE_IMPACT
    assert job.arguments["learn_prior"] is True
