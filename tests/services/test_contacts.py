"""Imports: nothing lost, nothing twice, nothing personal, wherever they break off."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotFound, Unreadable
from closedloop.domain.jobs import Progress
from closedloop.extensions import Database
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    ContactText,
    Customer,
    DailyRollup,
    ImportBatch,
    ImportReject,
    Message,
    Model,
)
from closedloop.models.imports import BatchState
from closedloop.services import cleaning, contacts
from closedloop.services.contacts import hash_customer, import_file, open_import, recognise_file
from closedloop.services.long_work import Cancelled, tell_nobody
from closedloop.services.repeats import chain_contacts

COLUMNS = (
    *("contact_id", "started_at", "customer_id", "channel", "queue", "agent", "disposition"),
    *("text", "handle_seconds", "csat"),
)
MAPPING = Mapping({name: name for name in COLUMNS})
START = datetime(2026, 3, 2, 10, tzinfo=UTC)


class Killed(BaseException):
    """The process dies: no `except Exception` sees it."""


def row(contact_id: str, *, hours: float = 0, customer: str = "cust-1", **values) -> dict:
    return {
        "contact_id": contact_id,
        "started_at": (START + timedelta(hours=hours)).isoformat(),
        "customer_id": customer,
        "channel": "phone",
        "text": "My card has not arrived.",
        "handle_seconds": "300",
        **values,
    }


def write(path: Path, rows: list[dict]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture
def take_in(database: Database, settings: Settings, actor: Actor, tmp_path: Path):
    """Import rows (or a file) from the source "crm"."""

    def take(rows: list[dict] | Path, **values) -> ImportBatch:
        path = rows if isinstance(rows, Path) else write(tmp_path / "contacts.csv", rows)
        return import_file(
            database.transaction,
            **{
                "settings": settings,
                "path": path,
                "mapping": MAPPING,
                "source": "crm",
                "file_name": "contacts.csv",
                "by": actor,
                **values,
            },
        )

    return take


@pytest.fixture
def read(database: Database):
    """Run a SELECT in a session of its own."""

    def run(statement) -> list:
        with database.reading() as session:
            return list(session.scalars(statement))

    return run


def everything_stored(database: Database) -> str:
    """All cells of all tables as text and, on SQLite, the bytes of the files beside it."""
    parts = []
    with database.engine.connect() as connection:
        for table in Model.metadata.sorted_tables:
            parts += [str(tuple(found)) for found in connection.execute(sa.select(table))]
    if database.engine.dialect.name == "sqlite":
        file = Path(database.engine.url.database)
        for path in file.parent.glob(f"{file.name}*"):
            parts.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(parts)


def picture(database: Database) -> list[tuple]:
    """What matters of all contacts, ids of rows apart."""
    with database.reading() as session:
        first = dict(session.execute(sa.select(Contact.id, Contact.source_contact_id)).all())
        return sorted(
            (
                c.source_contact_id,
                c.customer_id is None,
                c.started_at,
                c.local_day,
                c.link and c.link.previous_gap_seconds,
                c.link and c.link.next_gap_seconds,
                first.get(c.link.chain_id) if c.link else None,
                c.link and c.link.chain_position,
                c.text.issue_text if c.text else None,
            )
            for c in session.scalars(sa.select(Contact))
        )


def rollup_figures(database: Database) -> list[tuple]:
    names = [c.key for c in DailyRollup.__table__.c if c.key not in ("id", "theme_id")]
    with database.reading() as session:
        return sorted(session.execute(sa.select(*(getattr(DailyRollup, n) for n in names))).all())


def test_import_file_stores_what_the_file_says(take_in, read) -> None:
    batch = take_in(
        [
            row("a", queue="Cards", agent="ann", disposition="Delivery", csat="4.5"),
            row("b", hours=26, handle_seconds="", text=""),
            row("c", customer=""),
        ]
    )
    assert batch.state is BatchState.DONE
    assert (batch.rows_read, batch.added, batch.unidentified, batch.rejected) == (3, 3, 1, 0)
    a, b, c = read(
        sa.select(Contact)
        .order_by(Contact.source_contact_id)
        .options(sa.orm.joinedload(Contact.text), sa.orm.joinedload(Contact.link))
    )
    assert (a.channel, a.queue, a.agent, a.disposition) == ("phone", "Cards", "ann", "Delivery")
    assert (a.handle_seconds, a.csat, b.handle_seconds) == (300, 4.5, None)
    assert a.started_at == START
    assert a.text.turns == [["customer", "My card has not arrived."]]
    assert a.text.issue_text == "My card has not arrived."
    assert b.text is None
    assert (b.link.previous_gap_seconds, b.link.chain_id) == (26 * 3600, a.id)
    assert b.link.chain_position == 2
    assert (c.customer_id, c.link) == (None, None)


def test_importing_the_same_file_again_changes_nothing(take_in, database) -> None:
    rows = [row(f"c{n}", hours=n * 30, customer=f"cust-{n % 3}") for n in range(12)]
    take_in(rows)
    before = picture(database), rollup_figures(database)
    again = take_in(rows)
    assert (again.added, again.unchanged, again.changed) == (0, 12, 0)
    assert (picture(database), rollup_figures(database)) == before


def test_a_known_id_with_other_content_leaves_the_first_version_and_a_note(take_in, read) -> None:
    take_in([row("a", handle_seconds="300")])
    batch = take_in([row("b"), row("a", handle_seconds="999", text="Call 07700 900123")])
    assert (batch.added, batch.changed, batch.rejected) == (1, 1, 0)
    assert read(sa.select(Contact.handle_seconds).where(Contact.source_contact_id == "a")) == [300]
    (note,) = read(sa.select(ImportReject))
    assert note.line == 3
    assert "taken in before with other content" in note.reason
    assert json.loads(note.raw)["handle_seconds"] == 999
    assert "900123" not in note.raw
    assert "cust-1" not in note.raw


def test_duplicates_inside_one_file_are_told_apart_by_content(take_in) -> None:
    batch = take_in([row("a"), row("a"), row("a", channel="chat"), row("b")])
    assert (batch.added, batch.unchanged, batch.changed) == (2, 1, 1)


def test_the_same_id_from_another_source_is_another_contact_of_the_same_customer(
    take_in, read
) -> None:
    take_in([row("a")])
    batch = take_in([row("a", hours=1)], source="chat-system")
    assert batch.added == 1
    assert read(sa.select(sa.func.count(Customer.id))) == [1]
    assert sorted(read(sa.select(ContactLink.chain_position))) == [1, 2]


def test_rows_that_are_no_contacts_wait_in_quarantine_with_line_and_reason(take_in, read) -> None:
    batch = take_in(
        [
            row("a"),
            row("b", started_at="yesterday"),
            row("", text="ring me on 07700 900123"),
            row("d", started_at="2099-01-01T00:00:00Z"),
        ]
    )
    assert (batch.rows_read, batch.added, batch.rejected) == (4, 1, 3)
    rejects = read(sa.select(ImportReject).order_by(ImportReject.line))
    assert [r.line for r in rejects] == [3, 4, 5]
    assert "started_at" in rejects[0].reason
    assert "contact_id" in rejects[1].reason
    assert "[PHONE]" in rejects[1].raw


def test_no_personal_data_reach_the_database_at_any_time(
    take_in, database, settings: Settings
) -> None:
    said = "I am ann.smith@example.org, 07700 900123, card 4111 1111 1111 1111. I am cust-778899."
    rows = [
        row("a", customer="cust-778899", text=said, agent="bob@bank.example"),
        row("b", customer="cust-778899", started_at="never", text=said),
        row("ann.smith@example.org", customer="cust-778899", hours=3),
        row("c", customer="cust-778899", hours=4, disposition="call +44 7911 123456"),
    ]
    batch = take_in(rows)
    take_in([row("c", customer="cust-778899", text=said)])  # other content: noted
    assert (batch.added, batch.rejected) == (3, 1)
    stored = everything_stored(database)
    for secret in ("ann.smith", "07700", "900123", "123456", "4111", "bob@", "cust-778899"):
        assert secret not in stored, secret
    assert settings.customer_key not in stored
    assert hash_customer("cust-778899", settings.customer_key) in stored
    assert batch.redactions["EMAIL"] == 2
    assert batch.redactions["CARD"] == 1


def test_a_broken_row_is_kept_without_its_customer(take_in, database, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(
        "contact_id,started_at,customer_id,text\n"
        "a,2026-03-02T10:00:00Z,cust-778899,fine\n"
        "b,2026-03-02T10:00:00Z,cust-778899,I am cust-778899,with,commas\n"
        "c,2026-03-02T10:00:00Z,cust-778899\n"
    )
    mapping = Mapping({n: n for n in ("contact_id", "started_at", "customer_id", "text")})
    batch = take_in(path, mapping=mapping)
    assert (batch.added, batch.rejected) == (1, 2)
    assert "cust-778899" not in everything_stored(database)


def test_a_broken_json_line_is_kept_without_its_customer(take_in, database, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    whole = (
        '{"contact_id": "%s", "started_at": "2026-03-02T10:00:00Z", "customer_id": "cust-778899"'
    )
    path.write_text(f"{whole % 'a'}}}\n{whole % 'b'}}}\n{whole % 'c'}, cust-778899 \n")
    mapping = Mapping({n: n for n in ("contact_id", "started_at", "customer_id")})
    batch = take_in(path, mapping=mapping)
    assert (batch.added, batch.rejected) == (2, 1)
    assert "cust-778899" not in everything_stored(database)


def test_hash_customer_depends_on_the_key_and_on_nothing_around_the_id() -> None:
    assert hash_customer("c1", "k" * 32) == hash_customer(" c1 ", "k" * 32)
    assert hash_customer("c1", "k" * 32) != hash_customer("c1", "l" * 32)
    assert len(hash_customer("c1", "k" * 32)) == 64


def test_ids_and_labels_too_long_for_the_table_lose_no_row(take_in, read) -> None:
    long_id = "x" * 150
    batch = take_in([row(long_id, queue="q" * 150, disposition="d" * 150), row(long_id + "y")])
    assert batch.added == 2
    assert take_in([row(long_id, queue="q" * 150, disposition="d" * 150)]).unchanged == 1
    assert {len(queue) for queue in read(sa.select(Contact.queue))} == {0, 60}


def test_a_contact_that_comes_late_changes_the_gaps_and_days_of_those_around_it(
    take_in, database, read
) -> None:
    take_in([row("first"), row("last", hours=200)])
    apart = {c[0]: c for c in picture(database)}
    assert apart["last"][7] == 1  # more than seven days later: an episode of its own
    take_in([row("between", hours=100)])
    joined = {c[0]: c for c in picture(database)}
    assert [joined[name][7] for name in ("first", "between", "last")] == [1, 2, 3]
    assert {joined[name][6] for name in joined} == {"first"}
    by_day = dict(
        zip(
            read(sa.select(DailyRollup.day).order_by(DailyRollup.day)),
            read(sa.select(DailyRollup.any_7d).order_by(DailyRollup.day)),
            strict=True,
        )
    )
    assert list(by_day.values()) == [1, 1, 0]


def many_rows(number: int) -> list[dict]:
    """Rows whose customers come back all through the file, some of it bad."""
    return [
        row(
            f"c{n}",
            hours=(n * 37) % 2400,
            customer=f"cust-{n % 301}" if n % 11 else "",
            started_at="never"
            if n % 97 == 5
            else (START + timedelta(hours=n * 37 % 2400)).isoformat(),
        )
        for n in range(number)
    ]


def killed_after(stretches: int, error: BaseException):
    """Report that lets the process die after so many stretches."""
    seen: list[Progress] = []

    def report(progress: Progress) -> None:
        seen.append(progress)
        if len(seen) == stretches:
            raise error

    return report


@pytest.fixture
def small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit after every 100 rows."""
    monkeypatch.setattr(cleaning, "ROWS_PER_STRETCH", 100)


@pytest.mark.usefixtures("small_stretches")
def test_an_import_killed_in_the_middle_goes_on_and_ends_as_if_nothing_had_happened(
    take_in, database, read, settings: Settings, actor: Actor, tmp_path: Path
) -> None:
    path = write(tmp_path / "many.csv", many_rows(650))
    with database.transaction() as session:
        batch_id = open_import(
            session,
            settings=settings,
            path=path,
            mapping=MAPPING,
            source="crm",
            file_name="many.csv",
            by=actor,
        ).id
    with pytest.raises(Killed):
        take_in(path, batch_id=batch_id, report=killed_after(3, Killed()))
    (half,) = read(sa.select(ImportBatch))
    assert (half.state, half.rows_done) == (BatchState.RUNNING, 300)
    whole_stretches = len(picture(database))
    assert 250 < whole_stretches < 300

    done = take_in(path, batch_id=batch_id)
    assert (done.state, done.rows_read, done.rejected) == (BatchState.DONE, 650, 7)
    assert done.added == 643
    assert read(sa.select(sa.func.count(ImportReject.id))) == [7]
    resumed = picture(database), rollup_figures(database)

    fresh = take_in(path, source="other")
    assert (fresh.added, fresh.unchanged) == (643, 0)
    with database.transaction() as session:
        for table in (ContactText, Contact, DailyRollup):
            session.execute(sa.delete(table))
    take_in(path, source="crm")
    assert (picture(database), rollup_figures(database)) == resumed


@pytest.mark.usefixtures("small_stretches")
def test_an_import_that_fails_says_so_and_leaves_whole_stretches_with_their_roll_up(
    take_in, database, read, tmp_path: Path
) -> None:
    path = write(tmp_path / "many.csv", many_rows(450))
    with pytest.raises(ZeroDivisionError):
        take_in(path, report=killed_after(2, ZeroDivisionError()))
    (batch,) = read(sa.select(ImportBatch))
    assert (batch.state, batch.rows_done) == (BatchState.FAILED, 200)
    assert "stopped after 200 rows" in batch.message
    assert batch.finished_at is not None
    stored = len(picture(database))
    assert sum(read(sa.select(DailyRollup.contacts))) == stored == batch.added
    assert read(sa.select(AuditEvent.verb)) == ["contacts.import_stopped"]

    done = take_in(path, batch_id=batch.id)
    assert (done.state, done.rows_read, done.message[:3]) == (BatchState.DONE, 450, "450")


@pytest.mark.usefixtures("small_stretches")
def test_a_file_whose_import_was_killed_can_simply_be_imported_again(
    take_in, database, read, tmp_path: Path
) -> None:
    in_order = sorted(many_rows(450), key=lambda one: one["started_at"])
    path = write(tmp_path / "many.csv", in_order)  # so that the second run adds to later days
    with pytest.raises(Killed):
        take_in(path, report=killed_after(2, Killed()))
    assert read(sa.select(DailyRollup)) == []  # the process never came to adding days up

    again = take_in(path)

    assert (again.unchanged, again.added, again.rejected) == (0, 445, 5)  # it went on
    assert sum(read(sa.select(DailyRollup.contacts))) == len(picture(database)) == 445
    assert [batch.state for batch in read(sa.select(ImportBatch))] == [BatchState.DONE]


@pytest.mark.usefixtures("small_stretches")
def test_a_file_that_another_process_may_still_read_is_read_as_a_new_import(
    take_in, database, session, read, tmp_path: Path
) -> None:
    in_order = sorted(many_rows(450), key=lambda one: one["started_at"])
    path = write(tmp_path / "many.csv", in_order)
    with pytest.raises(Killed):
        take_in(path, report=killed_after(2, Killed()))
    elsewhere = session.scalars(sa.select(ImportBatch)).one()
    elsewhere.held_by, elsewhere.beat_at = "other-host:1:x", utc_now()
    session.commit()

    again = take_in(path)

    assert (again.unchanged, again.added, again.rejected) == (200, 245, 5)
    assert len(picture(database)) == 445
    broken_off, whole = read(sa.select(ImportBatch).order_by(ImportBatch.id))
    assert (broken_off.state, whole.state) == (BatchState.FAILED, BatchState.DONE)
    assert f"Import no. {whole.id} read the same file to its end." in broken_off.message


@pytest.mark.usefixtures("small_stretches")
def test_a_run_that_lost_its_import_to_another_one_writes_nothing_more(
    take_in, database, read, tmp_path: Path
) -> None:
    path = write(tmp_path / "many.csv", many_rows(450))
    calls = 0

    def lose(_progress: Progress) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            with database.transaction() as session:
                session.scalars(sa.select(ImportBatch)).one().held_by = "other-host:1:x"

    with pytest.raises(Conflict, match="Another process"):
        take_in(path, report=lose)

    (batch,) = read(sa.select(ImportBatch))
    assert (batch.state, batch.rows_done) == (BatchState.RUNNING, 200)  # left to the other one


@pytest.mark.usefixtures("small_stretches")
def test_a_file_that_changes_while_it_is_read_stops_the_import_and_can_be_put_back(
    take_in, database, read, tmp_path: Path
) -> None:
    path = write(tmp_path / "many.csv", many_rows(450))
    whole = path.read_bytes()

    def grow(progress: Progress) -> None:
        if path.read_bytes() == whole:
            path.write_bytes(whole + b"more,2026-03-02T10:00:00+00:00\n")

    with pytest.raises(Conflict, match="The file changed while it was being read"):
        take_in(path, report=grow)
    (batch,) = read(sa.select(ImportBatch))
    assert (batch.state, batch.rows_done) == (BatchState.FAILED, 100)
    assert "Put it back as it was" in batch.message

    path.write_bytes(whole)
    assert take_in(path).id == batch.id
    assert len(picture(database)) == 445


def test_people_can_stop_an_import_and_read_so(take_in, read) -> None:
    with pytest.raises(Cancelled):
        take_in([row("a")], report=killed_after(1, Cancelled("Priya Nair stopped the import.")))
    (batch,) = read(sa.select(ImportBatch))
    assert batch.state is BatchState.FAILED
    assert batch.message.startswith("Priya Nair stopped the import.")


def test_an_import_that_is_done_is_not_done_again(take_in, database) -> None:
    batch = take_in([row("a")])
    again = take_in([row("a")], batch_id=batch.id)
    assert (again.id, again.rows_read, again.unchanged) == (batch.id, 1, 0)


def test_an_import_does_not_go_on_with_another_file_mapping_or_number(
    take_in, tmp_path: Path
) -> None:
    path = write(tmp_path / "one.csv", [row("a")])
    with pytest.raises(Cancelled):
        take_in(path, report=killed_after(1, Cancelled("Stopped.")))
    with pytest.raises(Conflict, match="another mapping"):
        take_in(path, batch_id=1, mapping=dataclasses.replace(MAPPING, date_order="ymd"))
    with pytest.raises(Conflict, match="has changed"):
        take_in([row("b")], batch_id=1)
    with pytest.raises(NotFound, match="import number 99"):
        take_in(path, batch_id=99)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04\x00\x00", b"one column\nof text\n"])
def test_a_file_that_cannot_be_read_leaves_no_import_behind(
    take_in, read, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as refused:
        take_in(path)
    assert refused.value.sentence.endswith(".")
    with pytest.raises(Unreadable):
        take_in(tmp_path / "missing.csv")
    assert read(sa.select(ImportBatch)) == []


def test_a_mapping_or_source_that_does_not_fit_is_refused_before_anything_is_written(
    take_in, read
) -> None:
    with pytest.raises(Invalid, match="opened"):
        take_in([row("a")], mapping=Mapping({"contact_id": "contact_id", "started_at": "opened"}))
    with pytest.raises(Invalid, match="60 characters"):
        take_in([row("a")], source="s" * 61)
    with pytest.raises(Invalid, match="Name the system"):
        take_in([row("a")], source="  ")
    assert read(sa.select(ImportBatch)) == []


def test_a_file_with_column_names_only_is_done_and_says_so(take_in) -> None:
    batch = take_in([])
    assert (batch.state, batch.rows_read) == (BatchState.DONE, 0)
    assert "no rows" in batch.message


def test_one_audit_event_is_written_per_import_with_its_counts_and_no_text(
    take_in, read, actor: Actor
) -> None:
    batch = take_in([row("a"), row("b", started_at="never")])
    (event,) = read(sa.select(AuditEvent))
    assert (event.verb, event.target_kind, event.target_id) == (
        "contacts.imported",
        "import",
        batch.id,
    )
    assert event.actor_name == actor.name
    assert (event.detail["added"], event.detail["rejected"]) == (1, 1)
    assert event.summary.endswith("2 rows read: 1 new, 1 in quarantine.")


@pytest.mark.usefixtures("small_stretches")
def test_progress_runs_up_to_the_size_of_the_file(take_in, tmp_path: Path) -> None:
    path = write(tmp_path / "many.csv", many_rows(350))
    told: list[Progress] = []
    take_in(path, report=told.append)
    seen = [p for p in told if "rows read" in p.doing]  # adding the days up counts days
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert len(seen) == 4
    size = path.stat().st_size
    assert {p.total for p in seen} == {size}
    assert seen[-1].done == size
    assert seen[0].done == pytest.approx(size * 100 / 350, rel=0.05)
    assert re.fullmatch(r"100 rows read, \d+ new · [\d,]+ rows a second", seen[0].doing)


def test_an_event_log_makes_one_contact_of_each_id_however_often_it_is_imported(
    take_in, read
) -> None:
    log = dataclasses.replace(MAPPING, first_event_per_contact=True)
    rows = [row("a", agent="x"), row("a", agent="y"), row("b"), row("a", agent="z")]
    batch = take_in(rows, mapping=log)
    assert (batch.rows_read, batch.added, batch.changed) == (4, 2, 0)
    assert read(sa.select(Contact.agent).where(Contact.source_contact_id == "a")) == ["x"]
    assert take_in(rows, mapping=log).unchanged == 2


def test_reporting_days_follow_the_zone_of_the_site(take_in, read, settings) -> None:
    in_tokyo = dataclasses.replace(settings, reporting_zone="Asia/Tokyo")
    take_in([row("a", started_at="2026-03-02T16:00:00Z")], settings=in_tokyo)
    assert read(sa.select(Contact.local_day)) == [date(2026, 3, 3)]
    assert read(sa.select(DailyRollup.day)) == [date(2026, 3, 3)]


def test_messages_are_not_counted_again_when_they_come_without_a_session_gap(take_in, read) -> None:
    talk = dataclasses.replace(MAPPING, session_gap_seconds=12 * 3600)
    rows = [row("m1"), row("m2", hours=1), row("m3", hours=1, customer="")]
    batch = take_in(rows, mapping=talk)
    assert (batch.added, batch.unidentified) == (3, 1)
    assert sorted(read(sa.select(Contact.message_count))) == [1, 2]
    assert take_in(rows).unchanged == 3
    assert take_in(rows, mapping=talk, report=tell_nobody).unchanged == 3
    assert read(sa.select(sa.func.count(Message.id))) == [3]


def test_recognise_file_guesses_the_columns(tmp_path: Path) -> None:
    found = recognise_file(write(tmp_path / "contacts.csv", [row("a")]))
    assert found.facts.delimiter == ","
    assert found.mapping.columns["contact_id"] == "contact_id"
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(Unreadable, match="empty"):
        recognise_file(empty)


def test_what_html_wrote_is_read_before_personal_data_are_looked_for(
    take_in, read, database, tmp_path
):
    take_in(
        [
            row("1", text="Ask joe&#64;example.com &amp; me", disposition="Cards &amp;  fees"),
            row("2", text="I&amp;#39;m at +44 20&#32;7946 0958"),
            row("3", text="fine", started_at="ann&#64;example.org, yesterday"),
        ]
    )

    texts = sorted(turns[0][1] for turns in read(sa.select(ContactText.turns)))
    assert texts == ["Ask [EMAIL] & me", "I'm at [PHONE]"]
    assert "Cards & fees" in read(sa.select(Contact.disposition))
    stored = everything_stored(database)
    assert "example.com" not in stored
    assert "example.org" not in stored


@pytest.mark.parametrize(
    ("waiting", "chained"), [(6, [None]), (2, [1, 1])], ids=["most customers", "few of them"]
)
def test_where_most_customers_wait_all_are_chained_together(
    take_in, read, monkeypatch, waiting, chained
):
    take_in([row(f"old-{n}", customer=f"cust-{n}") for n in range(8)])
    seen = []

    def chain(session, *, customer_ids, **options):
        seen.append(customer_ids if customer_ids is None else len(customer_ids))
        return chain_contacts(session, customer_ids=customer_ids, **options)

    monkeypatch.setattr(contacts, "CHAINED_AT_ONCE", 1)
    monkeypatch.setattr(contacts, "chain_contacts", chain)
    take_in([row(f"new-{n}", hours=5, customer=f"cust-{n}") for n in range(waiting)])

    assert seen == chained
    links = read(sa.select(ContactLink.chain_position))
    assert sorted(links) == [1] * 8 + [2] * waiting
    assert sum(read(sa.select(DailyRollup.any_7d))) == waiting
