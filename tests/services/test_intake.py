"""What a source says of a contact beside its words arrives whole, messages included."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.domain.clock import utc_now
from closedloop.models import Contact, ContactLink, ImportBatch
from closedloop.models.imports import BatchState
from closedloop.services import contacts
from closedloop.services.contacts import import_file
from closedloop.services.import_batches import close_lost_imports

COLUMNS = (
    *("contact_id", "started_at", "customer_id", "channel", "team", "wait_seconds", "abandoned"),
    *("transfers", "resolved", "survey_resolved", "nps", "ces", "follows_contact_id", "language"),
    "text",
)
MAPPING = Mapping({name: name for name in COLUMNS})
ALL = {
    "contact_id": "a", "started_at": "2026-03-02T10:00:00Z", "customer_id": "c1",
    "channel": "chat", "team": "Blue", "wait_seconds": "45", "abandoned": "no", "transfers": "2",
    "resolved": "yes", "survey_resolved": "no", "nps": "9", "ces": "5.5",
    "follows_contact_id": "z", "language": "de", "text": "Wo ist mein Paket?",
}  # fmt: skip


@pytest.fixture
def take_in(database, settings, actor, tmp_path: Path):
    def run(rows, mapping: Mapping = MAPPING):
        path = tmp_path / f"rows{len(rows)}.csv"
        with path.open("w", newline="", encoding="utf-8") as sink:
            writer = csv.DictWriter(sink, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return import_file(
            database.transaction, settings=settings, path=path, mapping=mapping, source="said",
            file_name=path.name, by=actor,
        )  # fmt: skip

    return run


def test_everything_a_source_may_say_is_kept(take_in, session) -> None:
    take_in([ALL])
    found = session.scalars(sa.select(Contact)).one()
    said = (found.wait_seconds, found.transfers, found.nps, found.ces)
    assert (found.team, found.language, found.follows_contact_id) == ("Blue", "de", "z")
    assert said == (45, 2, 9, 5.5)
    assert (found.abandoned, found.resolved, found.survey_resolved) == (False, True, False)


def test_what_was_not_said_is_not_known_rather_than_no(take_in, session) -> None:
    take_in([{name: ALL[name] for name in ("contact_id", "started_at", "customer_id")}])
    found = session.scalars(sa.select(Contact)).one()
    assert (found.abandoned, found.resolved, found.survey_resolved) == (None, None, None)
    assert (found.wait_seconds, found.transfers, found.nps, found.ces) == (None,) * 4
    assert (found.team, found.language, found.follows_contact_id) == ("", "", "")


def test_messages_of_one_contact_put_what_they_say_together(take_in, session) -> None:
    later = {"contact_id": "b", "started_at": "2026-03-02T10:05:00Z", "customer_id": "c1"}
    take_in(
        [
            {**later, "channel": "chat", "transfers": "1", "wait_seconds": "5", "nps": "3"},
            {**ALL, "nps": ""},
        ],
        replace(MAPPING, session_gap_seconds=600),
    )
    found = session.scalars(sa.select(Contact)).one()
    assert (found.source_contact_id, found.message_count) == ("a", 2)
    assert (found.transfers, found.wait_seconds, found.nps, found.team) == (3, 50, 3, "Blue")


def test_a_change_in_what_is_said_is_noticed(take_in, session) -> None:
    take_in([ALL])
    again = take_in([{**ALL, "abandoned": "yes"}, {**ALL, "contact_id": "new"}])
    assert (again.added, again.changed) == (1, 1)


def test_two_agents_or_teams_with_names_do_not_become_one(take_in, session) -> None:
    take_in([{**ALL, "team": "Mr Lee"}, {**ALL, "contact_id": "b", "team": "Ms Ray"}])
    assert set(session.scalars(sa.select(Contact.team))) == {"Mr Lee", "Ms Ray"}


def test_a_number_in_a_label_is_hidden_all_the_same(take_in, session) -> None:
    take_in([{**ALL, "team": "call +44 7700 900123"}])
    assert session.scalars(sa.select(Contact.team)).one() == "call [PHONE]"


TWICE = (ALL, {**ALL, "contact_id": "b", "started_at": "2026-03-03T10:00:00Z"})


@pytest.fixture
def killed_import(take_in, monkeypatch):
    """Contacts are in, but the process was killed before it came to chain them."""

    def stopped(run) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(contacts._Run, "_chain", stopped)
        with pytest.raises(SystemExit):
            take_in(TWICE)


def gaps(session) -> list[int | None]:
    session.expire_all()
    links = sa.select(ContactLink).order_by(ContactLink.contact_id)
    return [link.previous_gap_seconds for link in session.scalars(links)]


@pytest.mark.usefixtures("killed_import")
def test_the_night_chains_what_a_killed_import_left_behind(session, settings, actor) -> None:
    assert session.scalar(sa.select(sa.func.count()).select_from(Contact)) == 2
    assert gaps(session) == []
    close_lost_imports(session, settings=settings, by=actor)
    assert gaps(session) == [None, 86_400]
    assert session.scalars(sa.select(ImportBatch.state)).one() == BatchState.RUNNING


@pytest.mark.usefixtures("killed_import")
def test_an_import_that_goes_on_chains_what_it_left_behind(session, take_in) -> None:
    assert take_in(TWICE).added == 2
    assert gaps(session) == [None, 86_400]


@pytest.mark.usefixtures("killed_import")
def test_a_new_import_of_the_same_file_chains_what_the_killed_one_left(session, take_in) -> None:
    other = Mapping({name: name for name in COLUMNS if name != "csat"}, zone="Europe/London")
    again = take_in(TWICE, other)
    assert (again.added, again.unchanged) == (0, 2)
    assert gaps(session) == [None, 86_400]


@pytest.mark.usefixtures("killed_import")
@pytest.mark.parametrize(("days", "found"), [(6, [None, 86_400]), (8, [])])
def test_a_failed_import_is_chained_even_if_some_nights_were_missed(
    session, settings, actor, days, found
) -> None:
    batch = session.scalars(sa.select(ImportBatch)).one()
    batch.state, batch.finished_at = BatchState.FAILED, utc_now() - timedelta(days=days)
    session.flush()
    close_lost_imports(session, settings=settings, by=actor)
    assert gaps(session) == found
