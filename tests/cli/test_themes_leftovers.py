"""`closedloop themes unassigned|emerging`: what they print and what they write."""

from __future__ import annotations

import dataclasses
import json

import pytest

from closedloop.config import Settings
from closedloop.domain.audit import COMMAND_LINE
from closedloop.services.definitions import own_maker
from ml.text.embed import load_encoder
from tests.factories.leftovers import (
    add_texts,
    assign,
    make_emerging,
    make_site,
    noise,
    real_maker,
    spot,
)


@pytest.fixture
def run(run_on_new):
    """Run a command; give what it prints."""
    return lambda *arguments: run_on_new(*arguments).stdout


@pytest.fixture
def site(run_on_new, settings: Settings):
    rising = [*range(18), 40, 45]
    texts = [*noise(200), *spot(20, rising)]
    make_site(run_on_new.database, settings, COMMAND_LINE, real_maker(), texts)
    return run_on_new.database


def test_without_contacts_both_say_so(run):
    assert "no contacts yet" in run("themes", "unassigned")
    assert json.loads(run("themes", "unassigned", "--json")) == {"coverage": None, "contacts": []}
    assert "Nothing emerges" in run("themes", "emerging")


def test_unassigned_prints_coverage_and_contacts_without_text(run, site):
    facts = json.loads(run("themes", "unassigned", "--limit", "3", "--json"))
    plain = run("themes", "unassigned")

    assert len(facts["contacts"]) == 3
    assert facts["coverage"]["goal"] == 0.8
    assert facts["coverage"]["meets_goal"] is False
    with_text, held = (facts["coverage"][name] for name in ("contacts_with_text", "with_theme"))
    assert facts["coverage"]["value"] == round(held / with_text, 4)
    assert 0 < held < with_text
    assert "The goal of 80% is not met." in plain
    assert "stuck" not in plain


def test_emerging_looks_anew_when_asked(run, site):
    assert json.loads(run("themes", "emerging", "--json")) == []

    (found,) = json.loads(run("themes", "emerging", "--look", "--json"))

    assert found["customers"] >= 12
    assert found["why"].startswith(f"{found['customers']} customers in the last 4 weeks")
    assert len(found["quotes"]) == 3
    assert found["why"] in run("themes", "emerging")


def test_emerging_gives_no_number_of_fewer_customers_than_may_be_shown(run, site):
    with site.transaction() as session:
        make_emerging(session, customers_before=2)

    (found,) = json.loads(run("themes", "emerging", "--json"))

    assert found["customers_before"] is None
    assert "fewer than 5" in found["why"]


def test_what_emerges_is_shown_then_taken_with_its_number(run_on_new, settings):
    encoder = load_encoder()
    maker = dataclasses.replace(own_maker(), load_encoder=lambda _: encoder)
    database = run_on_new.database
    texts = [(f"The lift of our house is stuck again, floor {i}.", i % 50) for i in range(24)]
    other = [(f"Opening hours of the branch in street {i}", i % 50) for i in range(24)]
    make_site(database, settings, COMMAND_LINE, maker, other)
    with database.transaction() as session:
        contacts = add_texts(session, texts)
        number = str(make_emerging(session, contacts).id)
    assign(database, settings, COMMAND_LINE, maker)

    seen = json.loads(run_on_new("themes", "take", number, "--json").stdout)
    told = run_on_new("themes", "take", number).stdout
    wrong = run_on_new("themes", "take", number, "--yes", "--count", "5", code=1)

    assert {contact.id for contact in contacts} == set(seen["ids"])
    assert "24 contacts of 24 customers would join it." in told
    assert "Nothing was changed. Repeat with --yes to do it" in told
    assert "24 contacts would join by now, and 5 were agreed to" in wrong.output
    done = json.loads(run_on_new("themes", "take", number, "--yes", "--json").stdout)
    assert done == {"key": done["key"], "contacts": 24, "from_other_themes": 0}
    (change,) = json.loads(run_on_new("themes", "changes", done["key"], "--json").stdout)
    back = run_on_new("themes", "undo", str(change["number"]), "--yes").stdout
    assert f"Taken back: {done['key']} is as it was." in back
