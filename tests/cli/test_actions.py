"""What a fix costs, at the command line."""

from __future__ import annotations

import json

import pytest

from tests.factories.themes import make_action


@pytest.fixture
def key(session):
    key = make_action(session).key
    session.commit()
    return key


def test_a_cost_is_stated_printed_and_taken_back(run_here, key):
    assert "Nobody has said" in run_here("actions", "cost", key).stdout

    said = run_here("actions", "cost", key, "--at-least", "4000", "--at-most", "6000.5").stdout
    assert said == f"{key} costs GBP 4,000.00 to 6,000.50.\n"
    assert json.loads(run_here("actions", "cost", key, "--json").stdout) == {
        "action": key,
        "cost_low": 400_000,
        "cost_high": 600_050,
    }
    assert "Nobody has said" in run_here("actions", "cost", key, "--unset").stdout


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--at-least", "5"), "Say what it costs at most, too"),
        (("--at-least", "5", "--at-most", "4"), "cannot cost less at most"),
        (("--at-least", "nan", "--at-most", "4"), "A fix costs 0 or more"),
        (("--at-least", "5", "--unset"), "Either state a cost or take it back"),
    ],
)
def test_a_cost_that_makes_no_sense_is_refused_in_a_sentence(run_here, key, arguments, sentence):
    assert sentence in run_here("actions", "cost", key, *arguments, code=1).stderr


def test_an_action_that_is_not_there_is_said_to_be_missing(run_here):
    assert "There is no action A-999" in run_here("actions", "cost", "A-999", code=1).stderr
