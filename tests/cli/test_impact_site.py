"""`closedloop impact placebos|prior`."""

from __future__ import annotations

import json

import pytest

from closedloop.models import ImpactPrior
from tests.factories.power import LAST, make_site


@pytest.fixture
def action(session):
    made = make_site(session)
    session.commit()
    return made


def test_placebos_are_counted_once_a_day_of_data(run_here, action):
    said = run_here("impact", "placebos", "--most", "2").stdout
    again = json.loads(run_here("impact", "placebos", "--json").stdout)

    assert said.startswith("On 2 dates on which nothing was changed the method cried wolf")
    assert "says little yet" in said
    assert (again["n"], again["as_of"]) == (2, LAST.isoformat())


def test_placebos_without_contacts_are_refused(run_here):
    assert "Import some first" in run_here("impact", "placebos", code=1).stderr


def test_the_prior_is_named_and_too_few_themes_are_refused(run_here, action):
    assert "The delivered prior is in force." in run_here("impact", "prior").stdout
    assert "7 themes have 120 days" in run_here("impact", "prior", "--learn", code=1).stderr
    both = run_here("impact", "prior", "--learn", "--delivered", code=1)
    assert "Choose one" in both.stderr


def test_the_prior_can_be_given_back(run_here, action, session):
    session.add(
        ImpactPrior(
            as_of=LAST, method_version="2.0", n_themes=64, weights=[0.5, 0.5], learnt_by="Priya"
        )
    )
    session.commit()

    assert "learnt from 64 themes" in run_here("impact", "prior").stdout
    found = json.loads(run_here("impact", "prior", "--delivered", "--json").stdout)
    assert (found["is_own"], found["themes_with_history"]) == (False, 7)
