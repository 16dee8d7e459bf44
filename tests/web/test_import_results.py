"""The result of an import: refused rows tried again, and the import taken out again."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import re

import pytest
import sqlalchemy as sa

from closedloop.adapters.uploads import find_upload
from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.jobs import JobKind, JobState
from closedloop.jobs.work import import_contacts, roll_back, try_import
from closedloop.models import Contact, ImportBatch, ImportReject, Job
from closedloop.models.imports import BatchState
from closedloop.services import contact_files, rollback_previews
from closedloop.services.long_work import tell_nobody
from tests.factories.contacts import make_batch
from tests.pages import text_of
from tests.web.test_contacts_import import fields_of, token_of, upload

FILE = (
    "Ticket ID,Created,Requester,via,Description\n"
    "1,2026-03-02 10:00,ann,chat,My card has not come\n"
    "2,soon,ann,chat,=cmd\n"
    "3,31/31/2026,bob,phone,+441632960123 called\n"
    "4,2026-03-06 09:00,,phone,No name\n"
)
WORK = {
    JobKind.IMPORT_CONTACTS: import_contacts,
    JobKind.TRY_IMPORT: try_import,
    JobKind.ROLL_BACK_IMPORT: roll_back,
}


@pytest.fixture
def run_jobs(session, database, settings):
    """Run every waiting job as a worker would; give the last one's address."""

    def run() -> str:
        session.rollback()
        waiting = sa.select(Job).where(Job.state == JobState.QUEUED).order_by(Job.id)
        for job in session.scalars(waiting).all():
            job_id, kind, arguments = job.id, job.kind, dict(job.arguments)
            session.rollback()
            result = WORK[kind](database, settings, arguments, COMMAND_LINE, tell_nobody)
            job = session.get_one(Job, job_id)
            job.state, job.result = JobState.DONE, result
            session.commit()
        return f"/contacts/imports/job/{session.scalar(sa.select(sa.func.max(Job.id)))}"

    return run


@pytest.fixture
def read_in(manager, run_jobs, session):
    """Bring a file through the wizard; give the number of the import."""

    def take(content: str | None = FILE, token: str = "", **changes: str) -> int:
        token = token or token_of(upload(manager, content))
        typed = fields_of(manager.get(f"/contacts/import/{token}")) | changes
        manager.post(f"/contacts/import/{token}", typed)
        manager.get(f"/contacts/import/{token}/check")
        manager.post(f"/contacts/import/{token}/run")
        run_jobs()
        return session.scalar(sa.select(sa.func.max(ImportBatch.id)))

    return take


def rejects(session) -> dict[int, int | None]:
    session.rollback()
    found = session.scalars(sa.select(ImportReject).order_by(ImportReject.line)).all()
    return {reject.line: reject.settled_by_id for reject in found if reject.batch_id == 1}


def test_refused_rows_are_downloaded_corrected_and_brought_again(
    manager, read_in, session, run_jobs
) -> None:
    first = read_in()
    words = text_of(manager.get(f"/contacts/imports/{first}"))
    assert "Rows to try again 2 rows" in words

    sent = manager.raw(f"/contacts/imports/{first}/to-correct.csv").text
    table = list(csv.reader(io.StringIO(sent.removeprefix("\ufeff"))))
    assert table[0] == [
        *("closedloop_line", "closedloop_reason"),
        *("Ticket ID", "Created", "Requester", "via", "Description"),
        "closedloop_row",
    ]
    assert [row[0] for row in table[1:]] == ["3", "4"]
    assert table[1][6] == "'=cmd"  # a spreadsheet would run it
    assert table[2][6] == "'+441632960123 called"

    table[1][3] = "2026-03-03 10:00"
    out = io.StringIO()
    csv.writer(out).writerows(table[:2])
    response = manager.post(
        f"/contacts/imports/{first}/again",
        {"file": (io.BytesIO(out.getvalue().encode()), "corrected.csv")},
    )
    token = token_of(response)
    html = manager.get(f"/contacts/import/{token}")
    assert "Refused rows of import no. 1 are tried again" in text_of(html)
    assert fields_of(html)["source"] == "zendesk"
    second = read_in(None, token)

    assert rejects(session) == {3: second, 4: None}
    words = text_of(manager.get(f"/contacts/imports/{first}"))
    assert "1 of 2 came in since" in words
    assert f"Came in with import no. {second}" in words
    assert "tries rows of import no. 1 again" in text_of(manager.get(f"/contacts/imports/{second}"))


def test_only_the_refused_lines_are_read_again_under_another_mapping(
    manager, read_in, session
) -> None:
    first = read_in(FILE.replace("31/31/2026", "03/04/2026").replace("soon", "05/06/2026"))
    assert rejects(session) == {3: None, 4: None}

    token = token_of(manager.post(f"/contacts/imports/{first}/again", {"kept": "1"}))
    typed = fields_of(manager.get(f"/contacts/import/{token}")) | {"date_order": "mdy"}
    manager.post(f"/contacts/import/{token}", typed)
    words = text_of(manager.get(f"/contacts/import/{token}/check"))
    assert "Rows 2 that are tried again" in words
    assert "2 new contacts" in words
    second = read_in(None, token, date_order="mdy")

    assert rejects(session) == {3: second, 4: second}
    assert session.get_one(ImportBatch, second).rows_read == 2
    assert "Rows to try again" not in text_of(manager.get(f"/contacts/imports/{first}"))


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ({"rejected": 6623}, "Nothing came in: none of the 6,623 rows could be read."),
        ({"rejected": 1}, "Nothing came in: its one row could not be read."),
        ({"rejected": 3, "unchanged": 2}, "Nothing new came with this file; 3 rows could not"),
        ({"unchanged": 2}, "Nothing new came with this file."),
    ],
)
def test_an_import_that_brought_nothing_says_whether_rows_could_be_read(
    manager, session, counts, sentence
) -> None:
    batch = make_batch(session)
    read = {"state": BatchState.DONE, "rows_read": sum(counts.values())}
    for name, number in (counts | read).items():
        setattr(batch, name, number)
    session.commit()

    assert sentence in text_of(manager.get(f"/contacts/imports/{batch.id}"))


def test_a_file_that_is_no_longer_kept_leaves_the_redacted_list(manager, read_in, settings) -> None:
    first = read_in()
    for path in settings.uploads.iterdir():
        path.unlink()

    words = text_of(manager.get(f"/contacts/imports/{first}"))

    assert "The file itself is no longer kept" in words
    assert "Download them to correct" not in words
    assert "no longer kept" in text_of(
        manager.get(f"/contacts/imports/{first}/to-correct.csv", 404)
    )
    assert "Line" in manager.raw(f"/contacts/imports/{first}/rejects.csv").text
    manager.post(f"/contacts/imports/{first}/again", {"kept": "1"}, 422)


def test_rows_of_a_list_of_records_are_no_lines(manager, session, run_jobs) -> None:
    rows = [
        {"id": "1", "created": "2026-03-02T10:00:00Z", "customer_id": "ann", "note": "a"},
        {"id": "2", "created": "never", "customer_id": "bob", "note": "b"},
    ]
    token = token_of(upload(manager, json.dumps(rows, indent=1), name="desk.json"))
    html = manager.get(f"/contacts/import/{token}")
    manager.post(f"/contacts/import/{token}", fields_of(html))
    words = text_of(manager.get(f"/contacts/import/{token}/check"))
    assert "Record 1 id 1" in words
    assert "Record 2 id 2" in words
    assert "No contact Column “created”" in words  # its place stands beside it
    manager.post(f"/contacts/import/{token}/run")
    run_jobs()

    batch_id = session.scalar(sa.select(sa.func.max(ImportBatch.id)))
    words = text_of(manager.get(f"/contacts/imports/{batch_id}"))
    assert "Record Reason The row, personal data hidden 2 Column “created”" in words
    assert "Line" not in words
    listed = manager.raw(f"/contacts/imports/{batch_id}/rejects.csv").text
    assert listed.lstrip("\ufeff").startswith("File,Record,Reason,")


def test_a_corrected_file_that_is_none_is_not_kept(manager, read_in, settings) -> None:
    first = read_in()
    before = len(list(settings.uploads.iterdir()))

    response = manager.post(
        f"/contacts/imports/{first}/again", {"file": (io.BytesIO(b""), "x.csv")}, 422
    )

    assert "The file is empty" in text_of(response.text)
    assert len(list(settings.uploads.iterdir())) == before
    manager.post(f"/contacts/imports/{first}/again", {}, 422)


def test_an_import_is_taken_out_and_read_in_again(manager, read_in, session, run_jobs) -> None:
    first = read_in()
    words = text_of(manager.get(f"/contacts/imports/{first}/roll-back"))
    assert "Contacts that go 2" in words
    assert "Customers that go 1" in words
    assert "A measurement that used these contacts stays" in words

    response = manager.post(f"/contacts/imports/{first}/roll-back")
    assert "Waiting for a worker" in text_of(manager.get(response.headers["Location"]))
    assert "half taken out" in text_of(manager.get(f"/contacts/imports/{first}"))
    done = manager.raw(run_jobs())

    assert done.headers["Location"] == f"/contacts/imports/{first}"
    html = manager.get(f"/contacts/imports/{first}")
    assert "was taken out again" in text_of(html)
    assert "roll-back" not in html
    assert session.scalar(sa.select(sa.func.count(Contact.id))) == 0
    assert "taken out" in text_of(manager.get("/contacts/import"))
    assert "taken out before" in text_of(manager.get(f"/contacts/imports/{first}/roll-back"))
    manager.post(f"/contacts/imports/{first}/roll-back", status=409)

    again = read_in()
    assert session.get_one(ImportBatch, again).added == 2


def test_more_than_a_hundred_contacts_go_only_when_their_number_is_typed(
    manager, read_in, session
) -> None:
    rows = "".join(f"{n},2026-03-02 10:00,ann,chat,Hello\n" for n in range(101))
    first = read_in(FILE.splitlines()[0] + "\n" + rows)
    url = f"/contacts/imports/{first}/roll-back"
    assert 'data-confirm-count="101"' in manager.get(url)

    assert "Type how many" in text_of(manager.post(url, status=422).text)
    wrong = manager.post(url, {"typed_count": "100"}, 422)
    assert "101 contacts would go, not 100" in text_of(wrong.text)
    assert session.get_one(ImportBatch, first).rolled_back_by == ""

    manager.post(url, {"typed_count": "101"})
    session.expire_all()
    assert session.get_one(ImportBatch, first).rolled_back_by != ""


def test_a_large_import_is_looked_through_before_it_is_taken_out_when_that_is_asked_for(
    manager, read_in, monkeypatch
) -> None:
    first = read_in()
    url = f"/contacts/imports/{first}/roll-back"
    assert "Count what would go" not in manager.get(url)
    monkeypatch.setattr(rollback_previews, "LOOKED_AT", 0)

    html = manager.get(url)

    words = text_of(html)
    assert "Contacts that go 2" in words
    assert "Customers that go not counted" in words
    assert f'href="{url}?count=now"' in html
    assert "Customers that go 1" in text_of(manager.get(f"{url}?count=now"))


def test_an_upload_whose_import_was_taken_out_can_be_read_in_anew(
    manager, session, run_jobs
) -> None:
    token = token_of(upload(manager, FILE))
    manager.post(f"/contacts/import/{token}", fields_of(manager.get(f"/contacts/import/{token}")))
    manager.post(f"/contacts/import/{token}/run")
    run_jobs()
    manager.post("/contacts/imports/1/roll-back")
    run_jobs()

    manager.post(f"/contacts/import/{token}/run")
    run_jobs()

    batches = session.scalars(sa.select(ImportBatch).order_by(ImportBatch.id)).all()
    assert [(b.state, bool(b.rolled_back_at)) for b in batches] == [
        (BatchState.DONE, True),
        (BatchState.DONE, False),
    ]


def test_a_long_file_is_looked_at_by_a_job(
    manager, session, run_jobs, monkeypatch, settings
) -> None:
    monkeypatch.setattr(contact_files, "ROWS_IN_A_PAGE", 3)
    token = token_of(upload(manager, FILE))
    html = manager.get(f"/contacts/import/{token}")
    words = text_of(html)
    assert "As it is in the file, as it will be read" in words
    assert "a worker does it, with progress" in words

    manager.post(f"/contacts/import/{token}", fields_of(html))
    waiting = manager.raw(f"/contacts/import/{token}/check")
    job_url = waiting.headers["Location"]
    words = text_of(manager.get(job_url))
    assert "Trying it out" in words
    assert "Waiting for a worker" in words
    run_jobs()

    assert manager.raw(job_url).headers["Location"] == f"/contacts/import/{token}/check"
    words = text_of(manager.get(f"/contacts/import/{token}/check"))
    assert (
        "2 new contacts of 2 Mar 2026 to 6 Mar 2026 would come in; 2 rows cannot be read." in words
    )
    assert "Without customer 50.0 %" in words
    assert "My card has not come" in words
    assert session.scalar(sa.select(sa.func.count(ImportBatch.id))) == 0
    kept = find_upload(settings.uploads, token)
    assert len(kept.sample) == 4
    assert "ann" not in re.findall(r"\w+", str(kept.sample))


def test_a_job_can_be_cancelled_by_whoever_may_import(manager, session, sign_in_as) -> None:
    token = token_of(upload(manager, FILE))
    manager.post(f"/contacts/import/{token}", fields_of(manager.get(f"/contacts/import/{token}")))
    manager.post(f"/contacts/import/{token}/run")

    manager.post("/contacts/imports/job/1/cancel")

    assert session.get_one(Job, 1).state is JobState.CANCELLED
    html = manager.get("/contacts/imports/job/1")
    assert "The import was cancelled" in text_of(html)
    assert f'action="/contacts/import/{token}/run"' in html
    manager.post(f"/contacts/import/{token}/run")
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 2


@pytest.mark.parametrize(
    "url",
    [
        "/contacts/imports/1/again",
        "/contacts/imports/1/roll-back",
        "/contacts/imports/job/1/cancel",
        "/contacts/imports/pick-up",
        "/contacts/mappings/delete",
    ],
)
def test_a_stakeholder_may_do_nothing_to_imports_and_mappings(sign_in_as, url) -> None:
    page = sign_in_as(Role.STAKEHOLDER)

    page.post(url, status=403)


def test_the_watched_folder_shows_what_waits_and_what_failed(
    manager, app, settings, tmp_path, session
) -> None:
    assert "Watched folder" not in text_of(manager.get("/contacts/import"))
    folder = tmp_path / "drop"
    (folder / "Desk").mkdir(parents=True)
    (folder / "failed").mkdir()
    (folder / "Desk" / "march.csv").write_text("a,b\n")
    (folder / "failed" / "bad.csv.txt").write_text("The file is empty.\n")
    app.config["SETTINGS"] = dataclasses.replace(settings, watched_folder=str(folder))

    words = text_of(manager.get("/contacts/import"))

    assert "Desk/march.csv still being written" in words
    assert "bad.csv The file is empty." in words
    manager.post("/contacts/imports/pick-up")
    assert session.scalars(sa.select(Job.kind)).all() == [JobKind.PICK_UP_FILES]
    app.config["SETTINGS"] = dataclasses.replace(settings, watched_folder="/nowhere")
    assert "is no directory" in text_of(manager.get("/contacts/import"))
