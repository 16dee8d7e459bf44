"""Estimates come out the same wherever they are computed."""

from __future__ import annotations

from contextlib import closing

from closedloop.services.impact_estimates import list_figures, make_estimates
from closedloop.services.impact_pool import Estimators, open_helper
from closedloop.services.impact_readings import read_for_measuring
from tests.factories.series import (
    make_definitions,
)
from tests.services.test_impact import (
    LOOKS,
    Site,
    add_second_site,
)


def test_many_measurements_come_out_the_same_wherever_they_are_computed(session, settings):
    site = Site(session)
    second = add_second_site(site)
    make_definitions(session, [site.theme, second.theme], number=2)
    inputs = [
        read_for_measuring(session, settings, one, day).inputs
        for one in (site.intervention, second)
        for day in (LOOKS[0], LOOKS[1])
    ]
    plain = Estimators().estimate(inputs)
    with closing(open_helper()) as one, closing(open_helper()) as other:
        spread = Estimators(helpers=[one, other]).estimate(inputs)
    for here, there, one in zip(plain, spread, inputs, strict=True):
        alone = make_estimates(one)
        figures = [list_figures(made, one) for made in (alone, here, there)]
        assert figures[0] == figures[1] == figures[2]


def test_when_a_process_beside_is_stopped_its_work_is_done_here(session, settings, caplog):
    site = Site(session, n_controls=0)
    inputs = [read_for_measuring(session, settings, site.intervention, LOOKS[0]).inputs]
    beside = open_helper()
    beside.close()
    estimators = Estimators(helpers=[beside])
    for _ in range(2):
        (found,) = estimators.estimate(inputs)
        assert list_figures(found, inputs[0]) == list_figures(make_estimates(inputs[0]), inputs[0])
    assert caplog.text.count("was stopped") == 1
