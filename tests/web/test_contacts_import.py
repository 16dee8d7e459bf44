"""The import wizard: from a file to contacts, and what it says of files that are none."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.uploads import find_upload
from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import JobState
from closedloop.jobs.work import import_contacts
from closedloop.models import Contact, ImportBatch, ImportReject, Job
from closedloop.models.imports import BatchState
from closedloop.services import contact_files
from closedloop.services.long_work import tell_nobody
from closedloop.web import import_results as pages
from tests.factories.contacts import make_batch, make_contact, make_customer
from tests.pages import text_of
from tests.web.test_contacts import asked_for

FILE = (
    "Ticket ID,Created,Requester,via,Description\n"
    "1,2026-03-02 10:00,ann,chat,My card <b>has</b> not come; mail ann@example.org\n"
    "2,2026-03-05 10:00,ann,chat,Still no card\n"
    "3,31/31/2026,bob,phone,Hello\n"
    "4,2026-03-06 09:00,,phone,No name\n"
)


def upload(page, content: str | bytes = FILE, name: str = "zendesk_2026-03.csv", status: int = 303):
    data = content.encode() if isinstance(content, str) else content
    return page.post("/contacts/import", {"file": (io.BytesIO(data), name)}, status)


def token_of(response) -> str:
    return re.fullmatch(r"/contacts/import/([0-9a-f]{32})", response.headers["Location"])[1]


def fields_of(html: str) -> dict[str, str]:
    """Return the mapping form as a browser would send it back unchanged."""
    form = re.search(r'<form class="cl-form" method="post".*?</form>', html, re.S)[0]
    fields = {}
    for tag in re.findall(r"<input [^>]+>", form):
        kind, name = re.search(r'type="(\w+)"', tag)[1], re.search(r'name="([^"]+)"', tag)[1]
        if name != "csrf_token" and (kind != "checkbox" or " checked" in tag):
            fields[name] = re.search(r'value="([^"]*)"', tag)[1]
    for name, options in re.findall(r'<select [^>]*?name="([^"]+)".*?>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        fields[name] = chosen[1] if chosen else ""
    return fields


TICKET = {
    **{"id": 7, "requester_id": 5, "submitter_id": 5, "brand_id": 1, "status": "open"},
    **{"created_at": "2026-03-02T10:00:00Z", "generated_timestamp": 1},
    **{"via": {"channel": "email"}, "subject": "Card", "description": "It is lost."},
}


@pytest.fixture
def mapped(manager):
    """Upload the file and accept the mapping that was guessed; give its token."""
    token = token_of(upload(manager))
    html = manager.get(f"/contacts/import/{token}")
    manager.post(f"/contacts/import/{token}", fields_of(html))
    return token


def run_job(session, database, settings) -> Job:
    """Run the newest job as a worker would."""
    session.rollback()
    job = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
    arguments = dict(job.arguments)
    session.rollback()
    result = import_contacts(database, settings, arguments, COMMAND_LINE, tell_nobody)
    job = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
    job.state, job.result, job.finished_at = JobState.DONE, result, utc_now()
    session.commit()
    return job


def test_a_stakeholder_neither_sees_the_import_page_nor_uploads(sign_in_as):
    page = sign_in_as(Role.STAKEHOLDER)

    page.get("/contacts/import", 403)
    upload(page, status=403)


def test_an_upload_is_recognised_and_guessed_with_reasons(manager, settings):
    token = token_of(upload(manager))
    html = manager.get(f"/contacts/import/{token}")
    fields, words = fields_of(html), text_of(html)

    assert [fields[f"becomes_{i}"] for i in range(5)] == [
        *("contact_id", "started_at", "customer_id", "channel", "text")
    ]
    assert fields["zone"] == "Europe/London"  # the times have no offset
    assert fields["source"] == "zendesk"
    assert "“Ticket ID” is a usual name for contact_id." in words
    assert "separated by a comma" in words
    assert "zendesk_2026-03.csv" in words
    assert find_upload(settings.uploads, token).size == len(FILE)


def test_rows_stand_beside_contacts_with_personal_data_hidden(manager):
    token = token_of(upload(manager))
    html = manager.get(f"/contacts/import/{token}")

    assert "ann@example.org" not in html
    assert "&lt;b&gt;has&lt;/b&gt;" in html
    assert "no date and time" in text_of(html)
    assert re.search(r"customer c-[0-9a-f]{6}", text_of(html))


def test_the_dry_run_names_contacts_that_are_here_and_were_deleted_in_their_source(
    manager, session, database, settings
):
    words = []
    for status in ("open", "deleted"):
        tickets = json.dumps({"tickets": [{**TICKET, "status": status}]})
        token = token_of(upload(manager, tickets, "tickets.json"))
        html = manager.get(f"/contacts/import/{token}")
        manager.post(f"/contacts/import/{token}", fields_of(html))
        words.append(text_of(manager.get(f"/contacts/import/{token}/check")))
        manager.post(f"/contacts/import/{token}/run", {})
        run_job(session, database, settings)

    assert "deleted or spam" not in words[0]
    said = "1 contact that is here is deleted or spam in the source by now; it still counts."
    assert said in words[1]
    assert "0 new contacts would come in" in words[1]


def test_the_dry_run_counts_and_stores_nothing(manager, session, mapped):
    words = text_of(manager.get(f"/contacts/import/{mapped}/check"))

    assert "Rows 4" in words
    assert "New contacts 3" in words
    assert "Cannot be read 1" in words
    assert "Without customer 33.3 %" in words
    assert "1 row cannot be read" in words
    assert re.search(r"Rows The first of them 1 Line 4: column “Created”", words)
    assert "By channel of what would be added Chat 2 · 66.7 % Phone 1 · 33.3 %" in words
    assert "3 new contacts" in words
    assert "Read in 3 contacts" in words
    assert session.scalar(sa.select(sa.func.count(Contact.id))) == 0
    assert session.scalar(sa.select(sa.func.count(ImportBatch.id))) == 0


def test_the_whole_way_ends_at_a_result_that_can_be_read(
    manager, session, database, settings, mapped
):
    response = manager.post(f"/contacts/import/{mapped}/run")
    job_url = response.headers["Location"]
    assert "Waiting for a worker" in text_of(manager.get(job_url))

    job = run_job(session, database, settings)

    done = manager.raw(job_url)
    batch_id = job.result["batch_id"]
    assert (done.status_code, done.headers["Location"]) == (303, f"/contacts/imports/{batch_id}")
    html = manager.get(f"/contacts/imports/{batch_id}")
    words = text_of(html)
    assert "3 new rows read in, 1 could not be read" in words
    assert "e-mail addresses 1" in words or "e-mail address 1" in words
    assert "Column “Created”" in words
    assert f'href="/contacts/?batch={batch_id}"' in html
    assert "3 contacts fit the filters" in text_of(manager.get(f"/contacts/?batch={batch_id}"))


def test_the_result_says_what_messages_would_have_looked_like(manager, session):
    batch = make_batch(session)
    batch.mapping = {"session_gap_seconds": 43_200}
    batch.state, batch.added = BatchState.DONE, 27
    for place in range(20):
        make_contact(
            session,
            batch=batch,
            customer=make_customer(session),
            next_gap_seconds=86_400 if place < 5 else None,
            message_count=2 if place < 7 else 1,
        )

    words = text_of(manager.get(f"/contacts/imports/{batch.id}"))

    assert "They are 20 contacts of 20 known customers." in words
    assert "25.0 % of these customers contacted again within 7 days" in words
    assert "counted as single messages it would have looked like 35.0 %" in words
    assert "Messages at most 12 hours apart are one contact" in words


def test_the_customers_of_a_large_import_are_counted_when_asked_for(manager, session, monkeypatch):
    monkeypatch.setattr(pages, "COUNTED_UNASKED", 9)
    batch = make_batch(session)
    batch.state, batch.added = BatchState.DONE, 10
    for _ in range(10):
        make_contact(session, batch=batch, customer=make_customer(session), next_gap_seconds=86_400)
    here = f"/contacts/imports/{batch.id}"

    unasked = manager.get(here)
    asked = text_of(manager.get(f"{here}?customers=count"))

    assert "contacted again within 7 days. For an import of this size" in text_of(unasked)
    assert f'href="{here}?customers=count"' in unasked
    assert "known customers" not in text_of(unasked)
    assert "They are 10 contacts of 10 known customers." in asked
    assert "100.0 % of these customers contacted again within 7 days" in asked
    assert "For an import of this size" not in asked


def test_the_next_file_of_the_same_kind_is_read_as_the_last(
    manager, session, database, settings, mapped
):
    manager.post(f"/contacts/import/{mapped}/run")
    run_job(session, database, settings)

    token = token_of(upload(manager, FILE.replace("1,2026", "9,2026"), "april.csv"))
    html = manager.get(f"/contacts/import/{token}")

    assert fields_of(html)["source"] == "zendesk"  # not "april"
    assert "Read as “zendesk_2026-03.csv” was" in text_of(html)


def test_running_twice_queues_one_job(manager, session, mapped):
    first = manager.post(f"/contacts/import/{mapped}/run")
    again = manager.post(f"/contacts/import/{mapped}/run")

    assert again.headers["Location"] == first.headers["Location"]
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 1
    assert session.scalar(sa.select(sa.func.count(ImportBatch.id))) == 1


def test_an_import_that_stopped_goes_on_with_the_same_batch(manager, session, mapped):
    manager.post(f"/contacts/import/{mapped}/run")
    job = session.scalars(sa.select(Job)).one()
    job.state, job.error = JobState.FAILED, "The disk is full. Make room and start it again."
    session.commit()
    url = f"/contacts/imports/job/{job.id}"

    assert "The disk is full" in text_of(manager.get(url))
    assert f'href="/contacts/import/{mapped}"' in manager.get(url)
    manager.post(f"/contacts/import/{mapped}/run")

    jobs = session.scalars(sa.select(Job).order_by(Job.id)).all()
    assert len(jobs) == 2
    assert jobs[0].arguments["batch_id"] == jobs[1].arguments["batch_id"]


def test_progress_says_rate_and_time_left_and_asks_again(manager, session, mapped, settings):
    manager.post(f"/contacts/import/{mapped}/run")
    job = session.scalars(sa.select(Job)).one()
    size = 9_000_000
    with open(job.arguments["path"], "wb") as file:  # noqa: PTH123
        file.truncate(size)
    job.state, job.started_at = JobState.RUNNING, utc_now() - timedelta(seconds=60)
    job.progress_total, job.progress_done, job.doing = (
        size,
        3_000_000,
        "9,000 rows read · 150 rows a second",
    )
    session.commit()

    fragment = manager.get(f"/contacts/imports/job/{job.id}", headers={"HX-Request": "true"})
    words = text_of(fragment)

    assert "<html" not in fragment
    assert 'hx-trigger="every 2s"' in fragment
    assert "9,000 rows read · 150 rows a second 33 % · about 2 minutes left" in words


def test_progress_in_another_unit_claims_no_time_left(manager, session, mapped):
    manager.post(f"/contacts/import/{mapped}/run")
    job = session.scalars(sa.select(Job)).one()
    job.state, job.started_at = JobState.RUNNING, utc_now() - timedelta(seconds=60)
    job.progress_total, job.progress_done, job.doing = 40_000, 20_000, "assigning themes"
    session.commit()

    words = text_of(manager.get(f"/contacts/imports/job/{job.id}"))

    assert "assigning themes" in words
    assert "left" not in words.split("assigning themes")[1].split("You can leave")[0]


def test_htmx_is_sent_on_when_the_import_is_done(manager, session, mapped):
    manager.post(f"/contacts/import/{mapped}/run")
    job = session.scalars(sa.select(Job)).one()
    job.state, job.result = JobState.DONE, {"batch_id": 1}
    session.commit()

    response = manager.raw(f"/contacts/imports/job/{job.id}", headers={"HX-Request": "true"})

    assert response.headers["HX-Redirect"] == "/contacts/imports/1"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "The file is empty"),
        (b"  \n\n", "The file is empty"),
        (b"PK\x03\x04" + b"\x00" * 200, "archive cannot be unpacked"),
        (bytes(range(256)) * 40, "The file"),
        (b"1,2026-03-02,ann\n2,2026-03-03,bob\n", "does not name the columns"),
        (b"just one column\nx\ny\n", "single column"),
        (b'[{"a": 1}]', "single column"),
    ],
)
def test_a_file_that_is_none_gets_a_sentence_and_is_not_kept(manager, settings, content, sentence):
    response = upload(manager, content, "bad <i>file.csv", 422)

    assert sentence in text_of(response.text)
    assert "bad &lt;i&gt;file.csv" in response.text
    assert list(settings.uploads.iterdir()) == []


def test_a_form_without_a_file_is_told_so(manager):
    response = manager.post("/contacts/import", {}, 422)

    assert "No file came with the form" in text_of(response.text)


def test_an_old_encoding_is_recognised_not_refused(manager):
    content = FILE.replace("Still no card", "Café Müller à côté").encode("cp1252")
    token = token_of(upload(manager, content))

    assert "Café Müller à côté" in text_of(manager.get(f"/contacts/import/{token}"))


def test_a_file_that_is_too_large_gets_the_way_round(manager, app, settings):
    app.config["MAX_CONTENT_LENGTH"] = 2000

    response = upload(manager, b"x" * 5000, status=413)

    words = text_of(response.text)
    assert "larger than 256 MB" in words
    assert "closedloop import FILE" in words
    assert list(settings.uploads.iterdir()) == []


def test_a_stranger_learns_nothing_from_a_file_that_is_too_large(app, page):
    app.config["MAX_CONTENT_LENGTH"] = 2000

    response = page.raw(
        "/contacts/import", "POST", data={"file": (io.BytesIO(b"x" * 5000), "x.csv")}
    )

    assert response.status_code == 413
    assert "Imports so far" not in response.text


def test_an_upload_needs_its_csrf_token(app, manager, settings):
    response = manager.raw(
        "/contacts/import", "POST", data={"file": (io.BytesIO(FILE.encode()), "x.csv")}
    )

    assert response.status_code == 400
    assert list(settings.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"becomes_0": ""}, "No column is “Contact number” yet"),
        ({"becomes_2": "contact_id"}, "cannot both be “Contact number”"),
        ({"source": "  "}, "Name the system"),
        ({"session_gap_hours": "soon"}, "Write hours from 0 to 720"),
        ({"session_gap_hours": "-1"}, "Write hours from 0 to 720"),
        ({"zone": "Mars/Olympus"}, "no time zone “Mars/Olympus”"),
        ({"date_order": "dym"}, "is not known"),
        ({"inbound_column": "via"}, "Write the value"),
        ({"becomes_3": "turns"}, "counted twice"),
    ],
)
def test_a_mapping_that_does_not_fit_keeps_what_was_typed(manager, settings, change, sentence):
    token = token_of(upload(manager))
    typed = fields_of(manager.get(f"/contacts/import/{token}"))
    typed |= {"unknown_values": "keine, n/v", **change}

    response = manager.post(f"/contacts/import/{token}", typed, 422)

    assert sentence in text_of(response.text)
    assert 'value="keine, n/v"' in response.text
    assert fields_of(response.text).get("source") == typed["source"]
    assert find_upload(settings.uploads, token).mapping is None


def test_every_setting_of_the_form_reaches_the_mapping(manager, settings):
    token = token_of(upload(manager))
    typed = fields_of(manager.get(f"/contacts/import/{token}"))
    typed |= {
        "source": "Help  desk",
        "date_order": "dmy",
        "zone": "Asia/Jakarta",
        "session_gap_hours": "1,5",
        "unknown_values": "x, ?",
        "first_event": "1",
        "on_change": "replace",
        "inbound_column": "via",
        "inbound_value": "chat",
        "constant_queue": "cards",
        "becomes_3": "",
    }

    manager.post(f"/contacts/import/{token}", typed)

    assert find_upload(settings.uploads, token).mapping == {
        "source": "Help desk",
        "columns": {
            "contact_id": "Ticket ID",
            "started_at": "Created",
            "customer_id": "Requester",
            "text": "Description",
        },
        "date_order": "dmy",
        "zone": "Asia/Jakarta",
        "constants": {"queue": "cards"},
        "unknown_values": ["", "x", "?"],
        "first_event_per_contact": True,
        "session_gap_seconds": 5400,
        "on_change": "replace",
        "inbound": ["via", "chat"],
    }
    again = fields_of(manager.get(f"/contacts/import/{token}"))
    assert (again["session_gap_hours"], again["zone"]) == ("1.5", "Asia/Jakarta")


def test_pauses_are_asked_for_where_conversations_are_cut(manager, settings):
    assert 'name="pauses"' not in manager.get(f"/contacts/import/{token_of(upload(manager))}")
    export = Path(__file__).parents[1] / "adapters/fixtures/intercom/conversations.json"
    token = token_of(upload(manager, export.read_bytes(), "conversations.json"))
    typed = fields_of(manager.get(f"/contacts/import/{token}")) | {"pauses": "Email 24, chat: 0.5"}

    manager.post(f"/contacts/import/{token}", typed)

    kept = find_upload(settings.uploads, token).mapping["pauses"]
    assert kept == {"email": 86_400, "chat": 1_800}
    assert fields_of(manager.get(f"/contacts/import/{token}"))["pauses"] == "email 24, chat 0.5"
    wrong = manager.post(f"/contacts/import/{token}", typed | {"pauses": "often"}, 422)
    assert "such as “whatsapp 24" in text_of(wrong.text)


def test_a_column_nobody_can_guess_shows_the_rows_until_it_is_mapped(manager):
    token = token_of(upload(manager, "foo,bar\nx,2026-03-02\n"))

    assert "The first rows of the file" in text_of(manager.get(f"/contacts/import/{token}"))
    assert manager.raw(f"/contacts/import/{token}/check").headers["Location"].endswith(token)
    assert manager.post(f"/contacts/import/{token}/run").headers["Location"].endswith(token)


@pytest.mark.parametrize("token", ["0" * 32, "..%5C..%5Cetc", "x"])
def test_an_upload_that_is_gone_says_so(manager, token):
    assert "no longer kept" in text_of(manager.get(f"/contacts/import/{token}", 404))


def test_rejects_are_paged_and_leave_as_safe_csv(manager, session, monkeypatch):
    monkeypatch.setattr(pages, "REJECTS_SHOWN", 2)
    batch = make_batch(session)
    batch.state, batch.rejected = BatchState.DONE, 3
    for line in (2, 7, 9):
        session.add(
            ImportReject(
                batch_id=batch.id, line=line, reason=f"Line {line}: bad", raw="=cmd|'/c calc'!A1"
            )
        )
    session.flush()

    html = manager.get(f"/contacts/imports/{batch.id}")
    assert re.findall(r'<th scope="row" class="num">(\d+)</th>', html) == ["2", "7"]
    more = re.search(r'rel="next" href="([^"]+)"', html)[1]
    assert re.findall(r'<th scope="row" class="num">(\d+)</th>', manager.get(more)) == ["9"]
    text = manager.raw(f"/contacts/imports/{batch.id}/rejects.csv").text.lstrip("\ufeff")
    rows = list(csv.reader(io.StringIO(text)))
    assert [row[1] for row in rows[1:]] == ["2", "7", "9"]
    assert rows[1][3] == "'=cmd|'/c calc'!A1"


def test_the_list_of_imports_takes_as_many_statements_for_more(manager, app, session):
    make_batch(session)
    first = asked_for(manager, app, "/contacts/import")
    for _ in range(30):
        make_batch(session)

    assert asked_for(manager, app, "/contacts/import") == first == 5
    assert 'rel="next"' in manager.get("/contacts/import")


def test_the_sidecar_of_an_upload_holds_no_row(manager, settings):
    token = token_of(upload(manager))
    notes = (settings.uploads / f"{token}.json").read_text()

    assert "ann" not in json.loads(notes).values()
    assert "example.org" not in notes


def test_the_first_rows_of_a_large_table_stand_beside_their_contacts_at_once(manager, monkeypatch):
    monkeypatch.setattr(contact_files, "ROWS_IN_A_PAGE", 2)
    more = "".join(f"8{n},2026-03-02 10:00,zoe,chat,Hi\n" for n in range(40))
    made = upload(manager, FILE + more)

    html = manager.get(made.headers["Location"])

    words = text_of(html)
    assert "As it is in the file, as it will be read" in words
    assert "the first 20 rows" in words
    assert "a worker does it" in words
    assert "ann@example.org" not in html
