"""Estimates come out the same wherever they are computed."""

from __future__ import annotations

import pickle

from closedloop.services.impact_estimates import list_figures, make_estimates
from closedloop.services.impact_pool import Estimators, Helper
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
    beside = [Helper(), Helper()]
    try:
        spread = Estimators(helpers=beside).estimate(inputs)
    finally:
        for helper in beside:
            helper.close()
    for here, there, one in zip(plain, spread, inputs, strict=True):
        alone = make_estimates(one)
        figures = [list_figures(made, one) for made in (alone, here, there)]
        assert figures[0] == figures[1] == figures[2]


def test_when_a_process_beside_is_stopped_its_work_is_done_here(session, settings, caplog):
    site = Site(session, n_controls=0)
    inputs = [read_for_measuring(session, settings, site.intervention, LOOKS[0]).inputs]
    beside = Helper()
    beside.stop()
    estimators = Estimators(helpers=[beside])
    for _ in range(2):
        (found,) = estimators.estimate(inputs)
        assert list_figures(found, inputs[0]) == list_figures(make_estimates(inputs[0]), inputs[0])
    assert caplog.text.count("was stopped") == 1
    beside.close()


def test_an_answer_that_breaks_off_is_made_here(session, settings, caplog, monkeypatch):
    site = Site(session, n_controls=0)
    inputs = [read_for_measuring(session, settings, site.intervention, LOOKS[0]).inputs]

    def cut_off(*_args):
        return pickle.loads(pickle.dumps(["cut off"])[:-4])  # as of one that is killed

    monkeypatch.setattr(Helper, "estimate", cut_off)
    beside = Helper()
    (found,) = Estimators(helpers=[beside]).estimate(inputs)
    beside.close()

    assert list_figures(found, inputs[0]) == list_figures(make_estimates(inputs[0]), inputs[0])
    assert "was stopped" in caplog.text
