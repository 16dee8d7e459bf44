"""The proof of contacts measures what it says, at a size that takes seconds."""

from __future__ import annotations

import json
from datetime import date

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from closedloop.bench import contacts, imports, pages, repeats
from closedloop.bench.history import CHANNELS, DAYS, FIRST_DAY, N_THEMES, make_history
from closedloop.bench.loading import TEXT_EVERY, write_history
from closedloop.bench.places import Place
from closedloop.bench.terms import ensure_terms
from closedloop.cli import main
from closedloop.domain.metrics import ListKind
from closedloop.models import Contact, ContactText
from closedloop.queries.metric_terms import get_terms
from closedloop.services.migrations import check_database


@pytest.fixture
def tiny(monkeypatch):
    """Everything is measured, on as little as gives each figure and has a contact 4711."""
    monkeypatch.setitem(contacts.SIZES, "small", (3_000, 300))
    monkeypatch.setattr(imports, "REDACTED_ALONE", 1_000)
    monkeypatch.setattr(imports, "TEXTS", 500)
    monkeypatch.setattr(repeats, "LATE_CONTACTS", 1_000)
    monkeypatch.setattr(pages, "TIMES", 1)


def test_it_prints_a_table_with_every_bar_and_the_same_as_json(tiny):
    result = CliRunner().invoke(main, ["bench", "contacts", "--small", "--database", "sqlite"])

    assert result.exit_code == 0, result.output
    table, _, written = result.stdout.partition("\n{")
    report = json.loads("{" + written)
    found = report["databases"]["sqlite"]
    assert found["repeats"]["agrees with pandas"] is True
    assert [page["page"] for page in found["pages"]] == [*pages.PAGES]
    assert {page["status"] for page in found["pages"]} == {200}
    alone = found["import with text"]
    assert alone["processes of redaction alone"] == alone["processes of the import"] == 1
    assert alone["cores"] >= 1
    assert all(found[part]["import"] > 0 for part in ("import with text", "import without text"))
    whats = {bar["what"] for bar in report["bars"]}
    assert "import with text / redaction alone" in whats
    assert "repeats from nothing / bare window functions" in whats
    assert "20,000 late and new contacts, seconds" in table


def test_a_kept_place_is_gone_on_from(monkeypatch, tmp_path, tiny):
    monkeypatch.setattr(pages, "PAGES", ("/contacts/", "/contacts/?q=refund", "/metrics/"))
    told: list[str] = []

    def measure(*parts: str) -> dict:
        told.clear()
        return contacts.run(
            small=True, databases=("sqlite",), parts=parts, keep=tmp_path, tell=told.append
        )

    first = measure("pages")
    assert any("wrote 3,000 contacts" in line for line in told)
    assert set(first["databases"]["sqlite"]) == {"pages"}
    again = measure("repeats")
    assert not any("wrote" in line for line in told)
    assert set(again["databases"]["sqlite"]) == {"pages", "repeats"}
    assert again["databases"]["sqlite"]["pages"] == first["databases"]["sqlite"]["pages"]
    assert "20,000 late and new contacts, seconds" in {bar["what"] for bar in again["bars"]}
    assert "repeats from nothing" in contacts.as_table(again)
    once_more = measure("repeats")["databases"]["sqlite"]["repeats"]
    assert once_more["agrees with pandas"] is True

    with pytest.raises(ValueError, match="holds the small history, not the full one"):
        contacts.run(small=False, databases=("sqlite",), parts=("pages",), keep=tmp_path)


def test_half_of_the_late_contacts_fall_on_any_day_of_the_history():
    late = repeats._of_any_day()
    days = (late.starts // 86_400) - (FIRST_DAY - date(1970, 1, 1)).days

    assert len(late) == repeats.LATE_CONTACTS
    assert late.starts.tolist() == sorted(late.starts.tolist())
    assert 0.48 < (days < DAYS - repeats.LATE_DAYS).mean() < 0.52
    assert len({*days.tolist()} & {*range(DAYS - repeats.LATE_DAYS)}) > 1_000


def test_pages_are_measured_under_lists_prices_volumes_and_judged_themes(database, settings):
    write_history(database, make_history(500))
    place = Place("here", database, settings)

    ensure_terms(place)
    ensure_terms(place)  # a kept place has them

    with database.reading() as session:
        terms = get_terms(session, 0)
    assert [len(terms.periods(kind)) for kind in ListKind] == [2, 2]
    assert len(terms.costs) == 2 * len(CHANNELS)
    assert terms.drivers == ("customers", "orders")
    assert len(terms.failure_themes) == N_THEMES // 3
    assert len(terms.judged_themes) == 2 * N_THEMES // 3


def test_a_percentile_is_one_of_the_times():
    times = [float(i) for i in range(20, 0, -1)]

    assert pages.percentile(times, 0.95) == 19.0
    assert pages.percentile(times[:9], 0.95) == 20.0


@pytest.mark.parametrize("n", [1, 7])
def test_a_history_is_written_as_it_was_drawn(database, n):
    history = make_history(n)
    write_history(database, history)

    with database.reading() as session:
        rows = session.scalars(sa.select(Contact).order_by(Contact.id)).all()
        texts = session.scalar(sa.select(sa.func.count(ContactText.contact_id)))
        indexes = {i["name"] for i in sa.inspect(database.engine).get_indexes("contacts")}

    assert [int(row.started_at.timestamp()) for row in rows] == history.starts.tolist()
    assert [row.customer_id or 0 for row in rows] == history.customers.tolist()
    assert [row.theme_id or 0 for row in rows] == (history.themes + 1).tolist()
    assert [row.local_day for row in rows] == [row.started_at.date() for row in rows]
    assert {row.agent for row in rows} == {f"agent {i}" for i in range(1, n + 1)}
    assert texts == n // TEXT_EVERY
    assert {i.name for i in Contact.__table__.indexes} <= indexes
    check_database(database.engine)


def test_a_bar_that_is_missed_is_said_to_fail():
    missed = {
        "database": "sqlite", "what": "x", "value": 2.0, "bar": "at most 1", "holds": False
    }  # fmt: skip
    table = contacts.as_table({"size": "small", "databases": {}, "bars": [missed]})

    assert "FAILS  sqlite" in table
