"""The proof of a year counts what runs change unasked: nothing; and it would see it."""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from closedloop.bench import theme_year
from closedloop.bench.places import open_place
from closedloop.bench.theme_year_history import KNOWN_INTENTS, History
from closedloop.cli import main
from closedloop.demo.intents import INTENTS
from closedloop.models import Contact, Theme, ThemeRun


def test_a_month_drifts_in_subjects_and_words_from_the_first_drifting_month_on():
    history = History(per_month=2_000, drift=0.15, first_drift=2)
    later = {intent.key for intent in INTENTS[KNOWN_INTENTS:]}
    months = [history.month(number) for number in range(4)]

    drifted = [sum(made.is_drift for made in month) / len(month) for month in months]
    newcomers = [{made.intent for made in month} & later for month in months]
    assert drifted[:2] == [0, 0]
    assert all(0.12 < share < 0.18 for share in drifted[2:])
    assert [len(found) for found in newcomers] == [0, 0, 1, 2]
    old = {made.row["text"] for month in months for made in month if not made.is_drift}
    new = {made.row["text"] for made in months[3] if made.is_drift}
    assert not old & new
    assert [made.row for made in months[3]] == [made.row for made in history.month(3)]


@pytest.mark.slow
def test_three_runs_change_nothing_that_nobody_asked_for(monkeypatch):
    monkeypatch.setattr(
        theme_year, "History", lambda per_month, **drift: History(per_month=120, **drift)
    )

    result = CliRunner().invoke(main, ["bench", "themes-year", "--small"])

    assert result.exit_code == 0, result.output
    table, _, written = result.stdout.partition("\n{")
    report = json.loads("{" + written)
    assert report["met"] is True
    assert set(report["totals"].values()) == {0}
    made = report["decisions_made"]
    assert min(made[what] for what in ("merges", "moves", "renames", "retirements", "splits")) > 0
    assert len(report["months"]) == 3
    assert report["months"][0]["new"] > 5
    for month in report["months"]:
        assert month["tiny"] == 0
        assert not month["new"] or month["smallest"] >= month["needed"] >= 5
    assert all(month["coverage"] > 0.8 for month in report["months"])
    assert "Met." in table


def test_what_a_run_would_change_unasked_is_counted():
    with open_place("sqlite") as place:
        year = theme_year._Year(place, History(per_month=120, drift=0, first_drift=9), None)
        year.take_in(0)
        year.live(1, 0)
        before = year._stand()
        with place.database.transaction() as session:
            last = session.scalar(sa.select(sa.func.max(ThemeRun.id)))
            kept = session.scalars(sa.select(Theme).where(Theme.is_named_by_person)).all()
            first, other = kept[0], kept[1]
            n_moved = session.scalar(sa.select(sa.func.count()).where(Contact.theme_id == first.id))
            key, other_key = first.key, other.key
            first.name = "Renamed by nobody"
            session.execute(
                sa.update(Contact).where(Contact.theme_id == first.id).values(theme_id=other.id)
            )

        row = year._count(before, last)
        names = before["names"]
        emptied = year._count({**before, "names": {k: names[k] for k in names if k != key}}, last)
        held = year._count(
            {**before, "names": {k: names[k] for k in names if k != other_key}}, last
        )

    assert (row["names"], row["decisions"]) == (1, 1)
    assert row["moved"] == n_moved > 0
    assert (row["tiny"], emptied["tiny"], emptied["smallest"]) == (0, 1, 0)
    assert held["tiny"] == 0
    assert held["smallest"] >= held["needed"] == 5
