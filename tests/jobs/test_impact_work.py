"""Placebo checks and the site's own prior, as the clock runs them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.errors import NotMeasurable
from closedloop.jobs.impact_work import check_false_alarms_weekly
from closedloop.jobs.work import measure, nightly_round
from closedloop.models import AuditEvent, PlaceboCheck
from closedloop.services.long_work import tell_nobody
from tests.factories.power import LAST, make_site
from tests.factories.series import make_controls


@pytest.fixture
def site(session):
    make_site(session)
    session.commit()


def checks(session):
    session.rollback()
    return session.scalar(sa.select(sa.func.count()).select_from(PlaceboCheck))


def test_a_check_that_is_asked_for_says_what_came_out(database, session, settings, site):
    done = measure(database, settings, {"placebos": True}, NIGHTLY_ROUND, tell_nobody)

    assert done["as_of"] == LAST.isoformat()
    assert done["placebos"] > 0
    assert 0 <= done["false_alarms"] <= done["placebos"]
    assert checks(session) == 1


def test_the_clock_checks_once_a_week(database, session, settings, site):
    first = check_false_alarms_weekly(database, settings, LAST, NIGHTLY_ROUND, tell_nobody)
    again = check_false_alarms_weekly(database, settings, LAST, NIGHTLY_ROUND, tell_nobody)

    assert first["placebos"] > 0
    assert again == {}
    assert checks(session) == 1


def test_the_nightly_round_checks(database, session, settings, site):
    done = nightly_round(database, settings, {}, NIGHTLY_ROUND, tell_nobody)

    assert done["placebos"] > 0
    assert checks(session) == 1


def test_too_little_history_does_not_stop_the_night(database, session, settings):
    assert check_false_alarms_weekly(database, settings, None, NIGHTLY_ROUND, tell_nobody) == {}
    make_controls(session, number=1, first_day=LAST, n_days=1)
    session.commit()

    assert check_false_alarms_weekly(database, settings, LAST, NIGHTLY_ROUND, tell_nobody) == {}
    with pytest.raises(NotMeasurable):
        measure(
            database,
            settings,
            {"placebos": True, "as_of": LAST.isoformat()},
            NIGHTLY_ROUND,
            tell_nobody,
        )
    assert checks(session) == 0


def test_learning_from_too_few_themes_is_refused(database, session, settings, site):
    with pytest.raises(NotMeasurable, match="7 themes have"):
        measure(database, settings, {"learn_prior": True}, NIGHTLY_ROUND, tell_nobody)
    session.rollback()
    assert session.scalars(sa.select(AuditEvent.verb)).all() == []
