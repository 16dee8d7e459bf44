"""A measurement as it is kept: never rewritten, and made again bit for bit."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa
from sqlalchemy.orm import undefer

from closedloop.domain.errors import NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    DailyRollup,
    ImpactMeasurement,
    ImpactPrior,
)
from closedloop.services.impact import (
    METHOD_VERSION,
    reproduce_measurement,
)
from tests.factories.rollups import slice_again
from tests.factories.series import (
    add_days,
    make_definitions,
)
from tests.services.test_impact import (
    LIVE,
    SECOND_LOOK,
    Site,
    measure,
    verbs,
)


def test_measurements_are_never_rewritten(session, settings):
    site = Site(session)
    found = measure(site, settings)
    session.commit()
    for change in (
        sa.update(ImpactMeasurement).values(avoided=9_999),
        sa.delete(ImpactMeasurement),
    ):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"):
            session.execute(change)
        session.rollback()
    assert session.get_one(ImpactMeasurement, found.id).avoided == found.avoided


def test_a_measurement_is_reproduced_from_what_it_kept(session, settings):
    site = Site(session)
    site.add_sibling(mean=14, change=0.1)
    found = measure(site, settings)
    session.execute(sa.delete(DailyRollup))
    slice_again(session)
    session.commit()
    session.expire_all()

    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences
    stored = session.scalars(
        sa.select(ImpactMeasurement).options(undefer(ImpactMeasurement.inputs))
    ).one()
    assert hashlib.sha256(stored.inputs).hexdigest() == stored.input_sha256


def forge(session, found, **changed):
    """Return a copy of a measurement, of another look, with some of it changed."""
    session.refresh(found, ["inputs"])
    names = {column.name for column in ImpactMeasurement.__table__.columns} - {"id"}
    values = {name: getattr(found, name) for name in names} | {"look": 1}
    forged = ImpactMeasurement(**values | changed)
    session.add(forged)
    session.flush()
    return forged


def test_a_number_that_was_tampered_with_does_not_reproduce(session, settings):
    site = Site(session)
    found = measure(site, settings)
    forged = forge(
        session,
        found,
        avoided_high=found.avoided_high + 1e-9,
        input_sha256="0" * 64,
        detail=found.detail | {"z": 0.5},
    )
    again = reproduce_measurement(session, measurement_id=forged.id)
    assert not again.same
    said = " ".join(again.differences)
    assert "stored inputs" in said
    assert "avoided_high" in said
    assert "z comes out otherwise" in said
    with pytest.raises(NotFound):
        reproduce_measurement(session, measurement_id=404)


def test_a_measurement_that_does_not_say_how_far_its_own_history_was_widened_reproduces(
    session, settings
):
    found = measure(Site(session), settings)
    assert found.detail["own_history"]["widened_by"] >= 1
    first = {name: n for name, n in found.detail["own_history"].items() if name != "widened_by"}

    said = []
    for days, own in enumerate((first, first | {"low": 0.5}), start=1):
        detail, as_of = found.detail | {"own_history": own}, found.as_of + timedelta(days)
        forged = forge(session, found, detail=detail, as_of=as_of)
        said.append(reproduce_measurement(session, measurement_id=forged.id).differences)

    assert said == [(), ("own_history comes out otherwise.",)]


def test_what_computed_it_is_kept_and_named_where_a_digit_differs(session, settings):
    found = measure(Site(session), settings)
    versions = found.detail["versions"]
    assert versions["numpy"] == np.__version__
    assert list(versions) == ["closedloop", "python", "numpy", "scipy"]

    older = found.detail | {"versions": versions | {"numpy": "1.0"}}
    said = []
    for days, avoided in enumerate((found.avoided, found.avoided + 1), start=1):
        as_of = found.as_of + timedelta(days)
        forged = forge(session, found, detail=older, avoided=avoided, as_of=as_of)
        said.append(reproduce_measurement(session, measurement_id=forged.id).differences)

    assert said[0] == ()  # every digit agrees, so nobody has to ask what computed it
    assert said[1][-1] == f"It was computed with numpy 1.0; here with numpy {np.__version__}."


def test_the_prior_in_force_is_kept_with_the_measurement(session, settings):
    site = Site(session)
    first = measure(site, settings)
    weights = [1 / 56] * 56
    session.add(
        ImpactPrior(
            as_of=LIVE, method_version=METHOD_VERSION, n_themes=50, weights=weights, learnt_by="x"
        )
    )
    session.flush()
    second = measure(site, settings)
    assert second.id != first.id
    assert second.expected != first.expected
    for found in (first, second):
        again = reproduce_measurement(session, measurement_id=found.id)
        assert again.same, again.differences


def test_a_measurement_comes_out_the_same_after_its_theme_was_renamed_merged_and_redefined(
    session, settings
):
    site = Site(session)
    site.add_sibling(mean=14, change=0.1)
    found = measure(site, settings)
    site.theme.name = "Another name"
    make_definitions(session, site.controls, number=2)
    site.theme.status, site.theme.merged_into_id = ThemeStatus.MERGED, site.controls[0].id
    session.commit()
    again = reproduce_measurement(session, measurement_id=found.id)
    assert again.same, again.differences


def test_late_contacts_make_a_new_measurement_and_leave_the_first_as_it_was(session, settings):
    site = Site(session)
    first = measure(site, settings, SECOND_LOOK + timedelta(days=1))
    before = {name: getattr(first, name) for name in ("observed", "avoided", "input_sha256")}
    session.commit()
    add_days(session, site.theme, SECOND_LOOK, [40], channel="letter")
    second = measure(site, settings, SECOND_LOOK + timedelta(days=1))
    session.commit()
    session.expire_all()
    stands = session.get_one(ImpactMeasurement, first.id)
    assert {name: getattr(stands, name) for name in before} == before
    assert second.observed == stands.observed + 40
    assert reproduce_measurement(session, measurement_id=first.id).same


def test_a_look_measured_again_after_late_contacts_speaks_no_second_verdict(session, settings):
    site = Site(session, change=0)
    first = measure(site, settings)
    status, events = site.action.status, len(verbs(session))
    make_definitions(session, [site.theme], number=2)
    add_days(session, site.theme, LIVE - timedelta(days=80), [600] * 80, channel="letter")
    again = measure(site, settings)
    assert again.id != first.id
    assert (again.look, again.is_look) == (first.look, False)
    assert (again.q_value, again.detail["judged_with"]) == (None, None)
    assert again.detail["alpha"] == first.detail["alpha"]
    assert again.verdict is not first.verdict  # else these contacts tell nothing
    assert site.action.status is status
    assert verbs(session)[events:] == ["impact.measured"]
    assert measure(site, settings) is again
    made = reproduce_measurement(session, measurement_id=again.id)
    assert made.same, made.differences
