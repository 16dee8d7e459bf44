"""Refused rows tried again, by another mapping or a corrected file, and what settled each."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.extensions import Database
from closedloop.models import Contact, ContactText, ImportBatch, ImportReject
from closedloop.services import cleaning
from closedloop.services.contacts import import_file, preview_file, recognise_file
from closedloop.services.rejects import rows_to_correct
from closedloop.services.replays import Refused, lines_to_try, refused_rows
from closedloop.services.rollback import roll_back_import
from tests.services.test_contacts import Killed

HEAD = "id,at,who,note\n"
FILE = HEAD + (
    "1,2026-03-02 10:00,ann,fine\n"
    "2,soon,bob,no time\n"
    "3,2026-03-02 11:00,cyd,fine\n"
    ",2026-03-02 12:00,dan,no id\n"
    "5,03/04/2026 13:00,eve,month first\n"
)
MAPPING = Mapping(
    {"contact_id": "id", "started_at": "at", "customer_id": "who", "text": "note"},
    source="desk",
    zone="UTC",
)
US = dataclasses.replace(MAPPING, date_order="mdy")


@pytest.fixture
def take_in(database: Database, settings: Settings, actor: Actor, tmp_path: Path):
    def take(content: str, mapping: Mapping = MAPPING, **values) -> ImportBatch:
        path = tmp_path / "file.csv"
        path.write_text(content)
        return import_file(
            database.transaction,
            settings=settings,
            path=path,
            mapping=mapping,
            source="desk",
            file_name="file.csv",
            by=actor,
            **values,
        )

    return take


def rejects(database: Database, batch_id: int) -> dict[int, int | None]:
    """Return by line which import settled it."""
    with database.reading() as session:
        found = session.scalars(sa.select(ImportReject).where(ImportReject.batch_id == batch_id))
        return {reject.line: reject.settled_by_id for reject in found}


def ids(database: Database) -> list[str]:
    with database.reading() as session:
        return sorted(session.scalars(sa.select(Contact.source_contact_id)))


def test_the_same_file_with_another_mapping_reads_only_what_was_refused(
    take_in, database, settings, tmp_path
) -> None:
    first = take_in(FILE)
    assert rejects(database, first.id) == {3: None, 5: None, 6: None}

    again = take_in(FILE, US, replay_of_id=first.id)

    assert (again.rows_read, again.added, again.unchanged, again.rejected) == (3, 1, 0, 2)
    assert ids(database) == ["1", "3", "5"]
    assert rejects(database, first.id) == {3: None, 5: None, 6: again.id}
    with database.reading() as session:
        asked = {"replay_of_id": first.id, "sha256": first.file_sha256}
        left = lines_to_try(session, mapping=US, **asked)
        assert left == {3, 5}
        cut_otherwise = dataclasses.replace(US, pauses={"chat": 60})  # and so numbered otherwise
        assert lines_to_try(session, mapping=cut_otherwise, **asked) is None
        preview = preview_file(
            session,
            settings=settings,
            path=tmp_path / "file.csv",
            mapping=US,
            source="desk",
            only_lines=left,
        )
        assert (preview.rows_read, preview.rejected) == (2, 2)
        assert [row.line for row in preview.sample] == [3, 5]


def test_a_corrected_file_settles_rows_by_their_id(take_in, database) -> None:
    first = take_in(FILE)

    again = take_in(
        HEAD
        + "2,2026-03-02 10:30,bob,now it has a time\n"
        + "5,2026-03-04 13:00,eve,and this\n"
        + "1,2026-03-02 10:00,ann,fine\n",
        replay_of_id=first.id,
    )

    assert (again.added, again.unchanged) == (2, 1)
    assert rejects(database, first.id) == {3: again.id, 5: None, 6: again.id}


def test_a_row_without_an_id_is_settled_by_the_line_the_downloaded_file_carries(
    take_in, database, tmp_path
) -> None:
    first = take_in(FILE)
    with database.reading() as session:
        found = [
            Refused(r.line, r.reason, r.raw)
            for r in session.scalars(sa.select(ImportReject).order_by(ImportReject.line))
        ]
    table = list(refused_rows(tmp_path / "file.csv", found, MAPPING))
    assert table[0] == [
        "closedloop_line",
        "closedloop_reason",
        *("id", "at", "who", "note"),
        "closedloop_row",
    ]
    assert [row[0] for row in table[1:]] == ["3", "5", "6"]
    assert table[2][2:6] == ["", "2026-03-02 12:00", "dan", "no id"]
    assert "id" in table[2][1]

    table[2][2] = "4"
    corrected = tmp_path / "corrected.csv"
    with corrected.open("w", newline="") as stream:
        csv.writer(stream).writerows([table[0], table[2], table[1]])
    again = take_in(corrected.read_text(), replay_of_id=first.id)

    assert (again.added, again.rejected) == (1, 1)
    assert rejects(database, first.id) == {3: None, 5: again.id, 6: None}


def test_a_corrected_file_is_read_without_the_quotation_marks_it_was_made_safe_with(
    take_in, database, settings, tmp_path
) -> None:
    head = HEAD.replace("who", "@who")
    mapping = dataclasses.replace(MAPPING, columns={**MAPPING.columns, "customer_id": "@who"})
    first = take_in(
        head + "1,2026-03-02 10:00,@john,fine\n2,soon,@john,+1+cmd|calc\n3,soon,'@john,-5\n",
        mapping,
    )
    with database.reading() as session:
        lines = list(
            rows_to_correct(
                session, settings=settings, batch_id=first.id, file=tmp_path / "file.csv"
            )
        )
    content = "".join(lines).removeprefix("\ufeff").replace("soon", "2026-03-03 10:00")
    for cell in ("'@who", "'@john", "'+1+cmd|calc", "''@john"):
        assert f",{cell}," in content
    path = tmp_path / "corrected.csv"
    path.write_text(content)
    found = recognise_file(path)
    assert found.facts.header[4] == "@who"
    assert [row[4] for row in found.facts.sample_rows] == ["@john", "'@john"]
    with database.reading() as session:
        preview = preview_file(
            session, settings=settings, path=path, mapping=mapping, source="desk"
        )
    assert [row.contact.turns[0][1] for row in preview.sample] == ["+1+cmd|calc", "-5"]

    again = take_in(content, mapping, replay_of_id=first.id)

    assert (again.added, again.rejected) == (2, 0)
    with database.reading() as session:
        owners = session.scalars(sa.select(Contact.customer_id).order_by(Contact.id)).all()
    assert owners[0] == owners[1] != owners[2]


def test_a_row_that_could_not_be_split_comes_back_whole(take_in, database, tmp_path) -> None:
    content = HEAD + '1,2026-03-02 10:00,ann,fine\n2,2026-03-02 10:00,"bob" x,"broken\n'
    first = take_in(content)
    with database.reading() as session:
        found = [Refused(r.line, r.reason, r.raw) for r in session.scalars(sa.select(ImportReject))]
    assert first.rejected == len(found) > 0

    table = list(refused_rows(tmp_path / "file.csv", found, MAPPING))

    assert "bob" in table[1][-1] or "bob" in " ".join(table[1])


def test_a_replay_killed_in_the_middle_goes_on_over_the_same_rows(
    take_in, database, monkeypatch
) -> None:
    monkeypatch.setattr(cleaning, "ROWS_PER_STRETCH", 2)
    rows = "".join(f"{n},03/0{n}/2026 10:00,ann,fine\n" for n in range(1, 10))
    first = take_in(HEAD + rows)
    assert first.rejected == 9
    told = 0

    def die(_progress) -> None:
        nonlocal told
        told += 1
        if told == 2:
            raise Killed

    with pytest.raises(Killed):
        take_in(HEAD + rows, US, replay_of_id=first.id, report=die)
    again = take_in(HEAD + rows, US, replay_of_id=first.id)

    assert (again.rows_read, again.added, again.unchanged) == (9, 9, 0)
    assert set(rejects(database, first.id).values()) == {again.id}


def test_a_replay_taken_out_again_leaves_its_rows_to_be_tried(
    take_in, database, settings, actor
) -> None:
    first = take_in(FILE)
    again = take_in(FILE, US, replay_of_id=first.id)

    roll_back_import(database.transaction, settings=settings, batch_id=again.id, by=actor)

    assert ids(database) == ["1", "3"]
    assert rejects(database, first.id) == {3: None, 5: None, 6: None}


def test_rows_that_changed_are_tried_again_where_the_later_version_counts(
    take_in, database
) -> None:
    take_in(HEAD + "1,2026-03-02 10:00,ann,first words\n2,2026-03-02 10:00,bob,first words\n")
    later = HEAD + "1,2026-03-02 10:00,ann,other words\n3,soon,eve,hm\n"
    second = take_in(later)
    assert rejects(database, second.id) == {2: None, 3: None}

    kept = take_in(later, replay_of_id=second.id)  # the first version stays: nothing to try
    assert (kept.rows_read, kept.changed) == (1, 0)
    replace = dataclasses.replace(MAPPING, on_change="replace")
    third = take_in(later, replace, replay_of_id=second.id)

    assert (third.rows_read, third.renewed) == (2, 1)
    assert rejects(database, second.id) == {2: third.id, 3: None}
    words = sa.select(ContactText.issue_text).join(Contact)
    with database.reading() as session:
        assert session.scalar(words.where(Contact.source_contact_id == "1")) == "other words"

    fourth = take_in(HEAD + "2,2026-03-02 10:00,bob,other words\n")
    again = HEAD + "2,2026-03-02 10:00,bob,yet other words\n"  # a corrected file, known by its id
    fifth = take_in(again, replace, replay_of_id=fourth.id)
    assert rejects(database, fourth.id) == {2: fifth.id}


def test_a_changed_contact_is_settled_only_under_an_id_of_its_own(take_in, database) -> None:
    take_in(HEAD + "1,2026-03-02 10:00,ann,first words\n")
    second = take_in(HEAD + "1,2026-03-02 10:00,ann,other words\n")
    assert rejects(database, second.id) == {2: None}

    take_in(HEAD + "1,2026-03-02 10:00,ann,third words\n", replay_of_id=second.id)
    assert rejects(database, second.id) == {2: None}
    columns = "closedloop_line," + HEAD
    third = take_in(columns + "2,1-b,2026-03-02 10:00,ann,other words\n", replay_of_id=second.id)

    assert rejects(database, second.id) == {2: third.id}
    assert ids(database) == ["1", "1-b"]
