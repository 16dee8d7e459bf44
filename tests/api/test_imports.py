"""Imports over the API: tried out, brought in, looked at, tried again, taken out."""

from __future__ import annotations

import io
import json

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.jobs import JobKind, JobState
from closedloop.jobs.work import import_contacts, roll_back, try_import
from closedloop.models import Contact, ImportBatch, Job
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


def test_an_import_is_read_looked_at_and_taken_out(api, session, work):
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

    api.problem("/imports/1/roll-back", 422, "POST", json={"contacts": 5})
    answer = api.post("/imports/1/roll-back", 202, json={"contacts": 2})
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


def test_refused_rows_are_tried_again(api, work):
    api.post("/imports", 202, **form())
    work()
    api.post("/imports", 202, **form(b"id,at\n3,2026-03-03T10:00:00Z\n", replay_of="1"))
    work()

    assert api.get("/imports/1")["rejects_settled"] == 1
    assert [row["settled_by_id"] for row in api.get("/imports/1/rejects")["items"]] == [2, None]
    api.problem("/imports", 404, "POST", **form(replay_of="77"))


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
