"""Imports over the API: tried out, brought in, looked at, tried again, taken out."""

from __future__ import annotations

import dataclasses
import io
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import JobKind, JobState
from closedloop.jobs.work import import_contacts, roll_back, try_import
from closedloop.models import Contact, ImportBatch, Job
from closedloop.services import contact_files, rollback_previews
from closedloop.services.long_work import tell_nobody
from closedloop.services.mappings import save_mapping

MAPPING = {"source": "dialler", "columns": {"contact_id": "id", "started_at": "at"}}
FILE = b"id,at\n1,2026-03-01T10:00:00Z\n2,2026-03-02T10:00:00Z\n3,soon\n,2026-03-02T10:00:00Z\n"
WORK = {
    JobKind.IMPORT_CONTACTS: import_contacts,
    JobKind.TRY_IMPORT: try_import,
    JobKind.ROLL_BACK_IMPORT: roll_back,
}


def form(content: bytes = FILE, mapping: object = MAPPING, **values: str) -> dict:
    text = mapping if isinstance(mapping, str) else json.dumps(mapping)
    return {"data": {"mapping": text, "file": (io.BytesIO(content), "march.csv"), **values}}


@pytest.fixture
def work(session, database, settings):
    """Run the newest job as a worker would."""

    def run() -> None:
        session.rollback()
        job = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
        job_id, kind, arguments = job.id, job.kind, dict(job.arguments)
        session.rollback()
        result = WORK[kind](database, settings, arguments, COMMAND_LINE, tell_nobody)
        job = session.get_one(Job, job_id)
        job.state, job.result = JobState.DONE, result
        session.commit()

    return run


def test_a_dry_run_counts_the_whole_file_and_stores_nothing(api, session, work):
    answer = api.post("/imports", 202, **form(dry_run="true"))
    work()

    found = api.get(f"/jobs/{answer.json['id']}")["result"]["preview"]
    assert (found["would_add"], found["rejected"], found["unidentified"]) == (2, 2, 2)
    assert session.scalar(sa.select(sa.func.count(ImportBatch.id))) == 0


def test_a_dry_run_counts_contacts_that_are_here_and_were_deleted_in_their_source(api, work):
    ticket = {
        **{"id": 7, "requester_id": 5, "submitter_id": 5, "brand_id": 1, "status": "open"},
        **{"created_at": "2026-03-02T10:00:00Z", "generated_timestamp": 1},
        **{"via": {"channel": "email"}, "subject": "Card", "description": "It is lost."},
    }

    def sent(status: str, **values: str) -> dict:
        content = json.dumps({"tickets": [{**ticket, "status": status}]}).encode()
        return {"data": {"file": (io.BytesIO(content), "tickets.json"), **values}}

    api.post("/imports", 202, **sent("open"))
    work()
    answer = api.post("/imports", 202, **sent("deleted", dry_run="true"))
    work()

    found = api.get(f"/jobs/{answer.json['id']}")["result"]["preview"]
    assert (found["withdrawn"], found["changed"], found["would_add"]) == (1, 1, 0)


def test_an_import_is_read_looked_at_and_taken_out(api, session, work, monkeypatch):
    api.post("/imports", 202, **form())
    work()
    found = api.get("/imports/1")
    assert (found["state"], found["origin"], found["added"], found["rejected"]) == (
        *("done", "api"),
        *(2, 2),
    )
    rows = api.pages("/imports/1/rejects?limit=1")
    assert [row["line"] for row in rows] == [4, 5]
    assert rows[0]["reason"].startswith("Line 4")
    assert rows[0]["code"]

    preview = api.get("/imports/1/roll-back")
    assert (preview["contacts"], preview["customers"], preview["refusal"]) == (2, 0, "")
    monkeypatch.setattr(rollback_previews, "LOOKED_AT", 0)
    preview = api.get("/imports/1/roll-back")
    assert (preview["contacts"], preview["customers"], preview["is_exact"]) == (2, None, False)
    assert api.get("/imports/1/roll-back?count=1")["customers"] == 0
    wrong = api.problem("/imports/1/roll-back", 422, "POST", json={"expected_count": 5})
    assert "2 contacts would go, not 5" in wrong["errors"]["expected_count"]
    answer = api.post("/imports/1/roll-back", 202, json={"expected_count": 2})
    assert answer.headers["Location"].endswith(f"/jobs/{answer.json['id']}")
    assert api.get("/imports/1")["state"] == "half_taken_out"
    work()

    assert api.get("/imports/1")["state"] == "taken_out"
    assert session.scalar(sa.select(sa.func.count(Contact.id))) == 0
    api.problem("/imports/1/roll-back", 409, "POST", json={})
    api.problem("/imports/9/roll-back", 404, "POST", json={})


@pytest.mark.parametrize(("said", "renewed"), [("", 0), ("replace", 1)])
def test_what_becomes_of_a_contact_that_changed_can_be_said(api, work, said, renewed):
    for content in (FILE, FILE.replace(b"1,2026-03-01T10", b"1,2026-03-01T11")):
        api.post("/imports", 202, **form(content, on_change=said))
        work()
    found = api.get("/imports/2")
    assert (found["changed"], found["renewed"]) == (1, renewed)
    api.post("/imports", 422, **form(on_change="perhaps"))


def test_rows_left_out_are_counted(api, work):
    mapping = {**MAPPING, "inbound": ["id", "1"]}
    api.post("/imports", 202, **form(mapping=mapping))
    work()
    found = api.get("/imports/1")
    assert (found["added"], found["rejected"], found["left_out"]) == (1, 0, 3)
    assert found["message"].endswith("3 left out, not from customers.")


def test_a_saved_mapping_is_known_by_its_name(api, session, work):
    mapping = Mapping.from_dict(MAPPING)
    save_mapping(
        session, name="Dialler", format="csv", header=["id", "at"], mapping=mapping, by=COMMAND_LINE
    )
    session.commit()

    api.post("/imports", 202, **form(mapping="Dialler"))

    assert api.get("/imports/1")["mapping_name"] == "Dialler"
    assert (
        "Saved are: Dialler" in api.problem("/imports", 404, "POST", **form(mapping="X"))["detail"]
    )


def test_a_mapping_without_a_source_brings_nothing_a_second_time(api, work, session):
    api.post("/imports", 202, **form())
    work()
    columns = {"columns": MAPPING["columns"]}
    for dry_run in ("false", "true"):
        told = api.problem("/imports", 422, "POST", **form(mapping=columns, dry_run=dry_run))
        assert "are here already as those of “dialler”" in told["errors"]["source"]

    session.execute(sa.update(ImportBatch).values(format="xlsx"))  # no import of the same columns
    session.commit()
    seen = api.post("/imports/preview", 200, **form(mapping="")).json
    assert (seen["mapping_origin"], seen["mapping"]["source"]) == ("guess", "dialler")
    assert "brought these contacts before" in seen["mapping_reasons"]["source"]


def test_refused_rows_are_tried_again(api, work):
    api.post("/imports", 202, **form())
    work()
    api.post("/imports", 202, **form(b"id,at\n3,2026-03-03T10:00:00Z\n", replay_of="1"))
    work()

    assert api.get("/imports/1")["rejects_settled"] == 1
    listed = {row["id"]: row["rejects_settled"] for row in api.get("/imports")["items"]}
    assert listed == {1: 1, 2: 0}
    assert [row["settled_by_id"] for row in api.get("/imports/1/rejects")["items"]] == [2, None]
    api.problem("/imports", 404, "POST", **form(replay_of="77"))


def test_the_watched_folder_is_read_when_there_is_one(api, session, app, settings, tmp_path):
    assert "No folder is watched" in api.problem("/imports/pick-up", 422, "POST")["detail"]
    app.config["SETTINGS"] = dataclasses.replace(settings, watched_folder=str(tmp_path))
    api.post("/imports/pick-up", 202)

    assert session.scalars(sa.select(Job.kind)).all() == [JobKind.PICK_UP_FILES]


def test_imports_are_paged_and_each_comes_once(api):
    for _ in range(5):
        api.post("/imports", 202, **form())

    assert [row["id"] for row in api.pages("/imports?limit=2")] == [5, 4, 3, 2, 1]
    api.problem("/imports?after=x", 422)
    api.problem("/imports/99", 404)


def test_a_table_without_a_mapping_is_told_what_to_send(api, settings):
    detail = api.problem("/imports", 422, "POST", **form(mapping=""))["detail"]

    assert "Send a mapping" in detail
    assert list(settings.uploads.iterdir()) == []


def look(api, content: bytes = FILE, **values: str) -> dict:
    sent = form(content, mapping=values.pop("mapping", ""), **values)
    return api.post("/imports/preview", 200, **sent).json


def test_a_preview_recognises_guesses_and_shows_rows_beside_contacts(api, session):
    content = b"Ticket ID,Created,Requester,Description\n" + b"".join(
        b"%d,2026-03-02 10:00,ann,mail ann%d@example.org\n" % (n, n) for n in range(1, 31)
    )

    found = look(api, content.replace(b"2026-03-02 10:00", b"soon", 1))

    assert (found["format"], found["mapping_origin"], found["problems"]) == ("csv", "guess", [])
    assert found["columns"] == ["Ticket ID", "Created", "Requester", "Description"]
    assert found["mapping"]["columns"]["customer_id"] == "Requester"
    assert found["mapping"]["zone"] == "Europe/London"  # of the site, for somebody to confirm
    assert "usual name" in found["mapping_reasons"]["contact_id"]
    assert len(found["rows"]) == 20
    bad, good = found["rows"][:2]
    assert (bad["line"], bad["place"], bad["contact"]) == (2, "Line 2", None)
    assert "Line 2" in bad["reason"]
    assert good["contact"]["started_at"].startswith("2026-03-02T10:00:00")
    assert good["contact"]["turns"] == [{"speaker": "customer", "text": "mail [EMAIL]"}]
    assert (good["row"]["Requester"], len(good["contact"]["customer"])) == ("[CUSTOMER]", 64)
    assert "@example" not in json.dumps(found)
    assert session.scalar(sa.select(sa.func.count(Contact.id))) == 0


def test_a_file_is_sent_once_and_tried_and_read_by_its_upload(api, session, settings, work):
    token = look(api, mapping=json.dumps(MAPPING))["upload"]
    again = {"data": {"upload": token, "mapping": json.dumps(MAPPING)}}

    api.post("/imports", 202, data={**again["data"], "dry_run": "1"})
    work()
    assert session.scalar(sa.select(sa.func.count(ImportBatch.id))) == 0
    first = api.post("/imports", 202, **again).json
    assert api.post("/imports", 202, **again).json["id"] == first["id"]  # the line broke
    work()

    assert api.get("/imports/1")["added"] == 2
    assert len(list(settings.uploads.glob("*.upload"))) == 1
    assert (
        "no longer kept"
        in api.problem("/imports", 404, "POST", data={**again["data"], "upload": "f" * 32})[
            "detail"
        ]
    )
    nothing = api.problem("/imports", 422, "POST", data={"mapping": json.dumps(MAPPING)})
    assert "Send a file" in nothing["errors"]["file"]


def test_rows_of_a_large_export_stand_beside_contacts_after_the_dry_run(api, work, monkeypatch):
    monkeypatch.setattr(contact_files, "PLAIN_BYTES_IN_A_PAGE", 10)
    content = json.dumps([{"id": n, "at": "2026-03-02T10:00:00Z"} for n in range(3)]).encode()
    mapping = json.dumps(MAPPING)
    found = look(api, content, mapping=mapping)
    assert (found["is_sampled"], found["rows"]) == (False, [])

    sent = {"upload": found["upload"], "mapping": mapping}
    api.post("/imports", 202, data={**sent, "dry_run": "1"})
    work()

    rows = api.post("/imports/preview", 200, data=sent).json["rows"]
    assert [row["contact"]["contact_id"] for row in rows] == ["0", "1", "2"]


def test_a_mapping_that_does_not_fit_is_said_and_what_was_saved_for_the_columns_is_named(api):
    token = look(api)["upload"]
    body = {"upload": token, "mapping": MAPPING}
    api.send("/mappings/Dialler", body, method="PUT")

    found = look(api)
    assert (found["mapping_origin"], found["mapping_name"]) == ("saved", "Dialler")
    assert found["saved_mappings"] == ["Dialler"]

    other = look(api, b"foo,bar\nx,2026-03-02\n", mapping="Dialler")
    assert "a column “id”, which the file does not have" in other["problems"][0]
    assert other["rows"] == []


def test_refused_rows_are_had_as_a_file_corrected_and_brought_again(api, work):
    api.post("/imports", 202, **form())
    work()
    hidden = api.page.raw("/api/v1/imports/1/rejects.csv", headers=api.headers)
    assert (hidden.mimetype, hidden.text.count("\n")) == ("text/csv", 3)

    sent = api.page.raw("/api/v1/imports/1/to-correct.csv", headers=api.headers).text
    assert sent.splitlines()[0] == "\ufeffclosedloop_line,closedloop_reason,id,at,closedloop_row"
    mended = sent.replace("soon", "2026-03-03T10:00:00Z").encode()
    again = form(mended, mapping="", replay_of="1")  # as the first was read
    api.post("/imports", 202, **again)
    work()

    found = api.get("/imports/1")
    assert (found["replays"], found["rejects_settled"], found["is_file_kept"]) == ([2], 1, True)
    assert [(r["code"], r["rows"]) for r in found["reasons"]] == [("no_contact_id", 1)]


def test_the_kept_file_is_read_again_with_another_mapping(api, work):
    content = b"id,at\n1,03/04/2026\n2,2026-04-05T10:00:00Z\n"
    api.post("/imports", 202, **form(content))
    work()
    zoned = {**MAPPING, "date_order": "dmy", "zone": "UTC"}

    api.post("/imports", 202, data={"mapping": json.dumps(zoned), "replay_of": "1"})
    work()

    found = api.get("/imports/2")
    assert (found["replay_of_id"], found["rows_read"], found["added"]) == (1, 1, 1)


def test_an_import_that_waits_is_cancelled_once_and_goes_on(api, session, work):
    token = look(api, mapping=json.dumps(MAPPING))["upload"]
    sent = {"data": {"upload": token, "mapping": json.dumps(MAPPING)}}
    job = api.post("/imports", 202, **sent).json
    assert api.get("/imports/1")["job_id"] == job["id"]

    assert api.post("/imports/1/cancel", 200).json["state"] == "cancelled"
    assert "nothing to cancel" in api.problem("/imports/1/cancel", 409, "POST")["detail"]
    api.problem("/imports/9/cancel", 404, "POST")
    api.post("/imports", 202, **sent)
    work()

    assert (api.get("/imports/1")["state"], api.get("/imports/1")["job_id"]) == ("done", None)


def test_a_dry_run_is_cancelled_as_a_job_and_says_how_long_it_takes(api, session):
    job = api.post("/imports", 202, **form(dry_run="1")).json
    row = session.get_one(Job, job["id"])
    row.state, row.started_at = JobState.RUNNING, utc_now() - timedelta(seconds=60)
    row.progress_done, row.progress_total = 1_000, 3_000
    row.doing = "9,000 rows looked at · 150 rows a second"
    session.commit()
    assert 115 <= api.get(f"/jobs/{job['id']}")["seconds_left"] <= 130

    assert api.post(f"/jobs/{job['id']}/cancel", 200).json["is_cancel_asked"]
    row.doing = "assigning themes"
    session.commit()
    assert api.get(f"/jobs/{job['id']}")["seconds_left"] is None


def test_more_than_a_hundred_contacts_go_only_with_their_number(api, work):
    rows = b"".join(b"%d,2026-03-01T10:00:00Z\n" % n for n in range(101))
    api.post("/imports", 202, **form(b"id,at\n" + rows))
    work()

    asked = api.problem("/imports/1/roll-back", 422, "POST", json={})
    assert "101" in asked["errors"]["expected_count"]
    api.post("/imports/1/roll-back", 202, json={"expected_count": 101})


def test_customers_of_an_import_are_counted_when_asked_for_and_few_are_not_told(api, work):
    mapping = {**MAPPING, "columns": {**MAPPING["columns"], "customer_id": "who"}}
    many = b"".join(b"%d,2026-03-0%dT10:00:00Z,c%d\n" % (n, 1 + n // 6, n % 6) for n in range(12))
    few = b"".join(b"f%d,2026-03-01T10:00:00Z,d%d\n" % (n, n) for n in range(4))
    for content in (many, few):
        api.post("/imports", 202, **form(b"id,at,who\n" + content, mapping=mapping))
        work()

    assert api.get("/imports/1")["opened"] is None
    found = api.get("/imports/1?customers=1")["opened"]
    assert found == {"contacts": 12, "unidentified": 0, "customers": 6, "came_again_share": 1.0}
    found = api.get("/imports/2?customers=1")["opened"]
    assert (found["contacts"], found["customers"], found["came_again_share"]) == (4, None, None)


@pytest.mark.parametrize(
    "values",
    [
        {"mapping": "[" * 3_000},
        {"mapping": '{"columns": []}'},
        {"mapping": '{"columns": {"contact_id": 7}}'},
        {"mapping": '{"columns": {"contact_id": "id\\u0000"}}'},
        {"mapping": '{"columns": {}, "pauses": {"chat": 1e400}}'},
        {"mapping": "x" * 90},
        {"mapping": "", "on_change": "perhaps"},
        {"mapping": "", "replay_of": str(2**40)},
        {"mapping": "", "replay_of": "7"},
        {"mapping": "", "colour": "red"},
        {"content": b""},
        {"content": bytes(range(256)) * 9},
    ],
)
def test_nonsense_in_a_form_is_told_and_keeps_no_file(api, settings, values):
    for path in ("/imports/preview", "/imports"):
        answer = api.page.raw(f"/api/v1{path}", "POST", headers=api.headers, **form(**values))
        assert answer.status_code in (404, 422), answer.text
        assert answer.json["detail"]
    assert not settings.uploads.exists() or list(settings.uploads.iterdir()) == []


@pytest.mark.parametrize("upload", ["../closedloop", "0" * 32, "Ω" * 32, "x" * 50])
def test_an_upload_that_is_none_is_refused(api, upload):
    for path in ("/imports/preview", "/imports"):
        sent = {"data": {"upload": upload, "mapping": json.dumps(MAPPING)}}
        answer = api.page.raw(f"/api/v1{path}", "POST", headers=api.headers, **sent)
        assert answer.status_code in (404, 422), answer.text
