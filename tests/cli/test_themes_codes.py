"""`closedloop themes codes`."""

from __future__ import annotations

import json
from datetime import date

import pytest

from closedloop.domain.themes import ThemeStatus
from tests.factories.contacts import make_contact
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_stats, make_theme

DAY = date(2026, 5, 11)


@pytest.fixture
def run(run_here):
    """Run `closedloop themes codes` on this test's database; give what it prints."""
    return lambda *arguments, code=0: run_here("themes", "codes", *arguments, code=code).output


@pytest.fixture
def charged(session):
    make_contact(session)
    made = [
        make_theme(session, ThemeStatus.TRIAGED, name=name)
        for name in ("Card late", "Refund late", "Charged twice")
    ]
    coded = (
        {"Card": 400, "Charge": 2, "Post": 4},
        {"Refund": 300, "Card": 12, "Charge": 3, "Post": 20},
        {"Refund": 120, "Charge": 180, "Card": 3, "Post": 4},
    )
    for theme, codes in zip(made, coded, strict=True):
        make_stats(session, theme)
        for code, contacts in codes.items():
            make_rollup(session, theme, DAY, contacts, disposition=code)
    session.commit()
    return made[2]


def test_people_get_a_table_with_marks_and_their_reasons(run, charged):
    out = run("--to", "2026-05-11")

    line = next(line for line in out.splitlines() if line.endswith("Charged twice"))
    assert line.split()[:6] == [charged.key, "307", "!", "120", "hidden", "180"]
    assert "! 120 contacts of" in out


def test_programs_get_the_same_as_json(run, charged):
    found = json.loads(run("--json", "--to", "2026-05-11", "--from", "2026-05-01"))

    assert (found["first_day"], found["last_day"]) == ("2026-05-01", "2026-05-11")
    assert [code["code"] for code in found["codes"]] == ["Refund", "Card", "Charge", "Post"]
    row = next(row for row in found["themes"] if row["key"] == charged.key)
    assert row["cells"][0] == {"contacts": 120, "share_of_theme": 0.3909, "mark": "elsewhere"}
    assert row["cells"][1]["contacts"] is None
    assert found["findings"][0]["theme"] == charged.key


def test_without_codes_and_without_contacts_it_says_so(run, session):
    assert "no contacts yet" in run(code=1)
    make_contact(session)
    session.commit()

    assert "No theme has enough contacts" in run()
