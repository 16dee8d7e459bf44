"""The jobs pages: what runs by itself, what runs now, what ran."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.clock import as_if
from closedloop.domain.jobs import JobKind, JobState
from closedloop.models import Job
from closedloop.services.jobs import take_lead
from tests.pages import text_of
from tests.statements import statements_of

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)
HTMX = {"headers": {"HX-Request": "true"}}


@pytest.fixture(autouse=True)
def on_the_day():
    with as_if(NOW):
        yield


def add_job(session, kind=JobKind.NIGHTLY_ROUND, state=JobState.DONE, **values):
    job = Job(kind=kind, state=state, **{"queued_by": "Priya Nair", "created_at": NOW, **values})
    session.add(job)
    session.flush()
    return job


def add_running(session, **values):
    given = {"started_at": NOW - timedelta(seconds=60), "attempt": 1, "doing": "encoding texts"}
    given |= {"progress_done": 1200, "progress_total": 4800, **values}
    return add_job(session, JobKind.DISCOVER_THEMES, JobState.RUNNING, **given)


def test_the_schedule_says_when_next_why_and_what_became_of_it(manager, session):
    add_job(
        session,
        started_at=NOW - timedelta(hours=8),
        finished_at=NOW - timedelta(hours=8) + timedelta(seconds=41),
    )

    text = text_of(manager.get("/jobs/"))

    assert "Nightly round Wed 13 May 2026, 02:15 Done Tue 12 May 2026, 02:00 41 s" in text
    assert "After midnight, when yesterday is complete" in text
    assert "Housekeeping Wed 13 May 2026, 04:15 not in the last 90 days" in text


def test_a_demo_says_that_no_job_measured_its_year(manager, settings):
    assert "No job did that" not in text_of(manager.get("/jobs/"))
    on_its_day = replace(settings, demo_today=date(2026, 5, 12))
    manager.app.config["SETTINGS"] = on_its_day

    text = text_of(manager.get("/jobs/"))

    assert "the nightly round did was done while the demo was built" in text
    assert "No job did that, so none is listed for it." in text


def test_the_page_says_whether_the_schedule_runs_and_administrators_where(
    manager, sign_in_as, session
):
    assert "The schedule is not running" in manager.get("/jobs/")

    take_lead(session, holder="northbank:7:abc")

    assert "The schedule is running." in text_of(manager.get("/jobs/"))
    assert "northbank:7:abc" not in manager.get("/jobs/")
    seen = text_of(sign_in_as(Role.ADMIN).get("/jobs/"))
    assert "The schedule is running, in process northbank:7:abc." in seen


def test_a_running_job_shows_how_far_how_fast_and_how_long(manager, session):
    job = add_running(session)

    html = manager.get(f"/jobs/{job.id}")
    text = text_of(html)

    # 1,200 in a minute, 3,600 to go
    assert "encoding texts 1,200 of 4,800 · 20 a second · about 3.0 minutes left" in text
    assert 'hx-trigger="every 2s"' in html
    assert f'<a href="/jobs/{job.id}">Refresh</a>' in html
    assert '<progress aria-label="encoding texts" max="4800" value="1200">' in html


@pytest.mark.parametrize("url", ["/jobs/", "/jobs/{id}"])
def test_htmx_gets_the_fragment_that_the_page_holds(manager, session, url):
    job = add_running(session)
    url = url.format(id=job.id)

    fragment = manager.get(url, **HTMX)

    assert "<html" not in fragment
    assert fragment.strip().startswith("<section")
    assert fragment.count("every 2s") == 1


def test_the_list_is_not_asked_again_when_nothing_runs(manager, session):
    job = add_job(session)

    for url in ("/jobs/", f"/jobs/{job.id}"):
        assert "every 2s" not in manager.get(url)


def test_a_done_job_says_what_it_did_in_words(manager, session):
    job = add_job(session, result={"measured": 1234, "as_of": "2026-05-11", "batch_id": 9})

    text = text_of(manager.get(f"/jobs/{job.id}"))

    assert "Actions measured 1,234 Data to 11 May 2026" in text
    assert "See the import" in text
    assert "Batch" not in text


def test_a_failed_job_says_why_and_runs_again(manager, session):
    job = add_job(
        session,
        JobKind.IMPORT_CONTACTS,
        JobState.FAILED,
        error="The file ends in the middle of a row.",
        arguments={"path": "x"},
    )
    assert "The file ends in the middle of a row." in manager.get("/jobs/")
    html = manager.get(f"/jobs/{job.id}")
    assert "Run it again" in html
    assert "Cancel the job" not in html

    where = manager.post(f"/jobs/{job.id}/retry").headers["Location"]

    again = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
    assert where == f"/jobs/{again.id}"
    assert (again.kind, again.state) == (JobKind.IMPORT_CONTACTS, JobState.QUEUED)
    assert again.arguments == {"path": "x"}


def test_a_job_that_did_its_work_does_not_run_again(manager, session):
    job = add_job(session)

    assert "Run it again" not in manager.get(f"/jobs/{job.id}")
    manager.post(f"/jobs/{job.id}/retry", status=409)


def test_a_waiting_job_is_cancelled_at_once_a_running_one_is_asked(manager, session):
    waiting = add_job(session, state=JobState.QUEUED)
    running = add_running(session)
    assert "Cancel the job" in manager.get(f"/jobs/{waiting.id}")
    manager.post(f"/jobs/{waiting.id}/cancel")
    assert "The job is cancelled." in manager.get(f"/jobs/{waiting.id}")

    assert "Cancel the job" in manager.get(f"/jobs/{running.id}")
    manager.post(f"/jobs/{running.id}/cancel")
    html = manager.get(f"/jobs/{running.id}")
    assert "asked to stop" in html
    assert "Cancel the job" not in html
    session.refresh(waiting)
    session.refresh(running)
    assert (waiting.state, running.state) == (JobState.CANCELLED, JobState.RUNNING)
    manager.post(f"/jobs/{waiting.id}/cancel", status=409)


def test_run_now_queues_what_may_be_run_by_hand(manager, session):
    manager.post("/jobs/run/impact.measure_due")
    manager.post("/jobs/run/contacts.import_file", status=404)  # it needs a file
    manager.post("/jobs/run/nonsense", status=404)

    job = session.scalars(sa.select(Job)).one()
    assert (job.kind, job.queued_by) == (JobKind.MEASURE_IMPACT, manager.user.name)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_run_now_leads_to_the_job_that_does_so_already(manager, session, state):
    manager.post("/jobs/run/themes.discover")
    job = session.scalars(sa.select(Job)).one()
    job.state = state

    again = manager.post("/jobs/run/themes.discover")

    assert again.headers["Location"] == f"/jobs/{job.id}"
    assert session.scalars(sa.select(Job)).all() == [job]
    assert "already, so no second one was queued" in text_of(manager.get(f"/jobs/{job.id}"))


def test_a_look_for_themes_says_of_which_contacts_it_left_some_in_none(manager, session):
    done = {"found": 6, "candidates": 9, "left_over": 12}
    job = add_job(session, JobKind.DISCOVER_THEMES, state=JobState.DONE, result=done)

    text = text_of(manager.get(f"/jobs/{job.id}"))

    assert f"Look for themes, job {job.id}" in text  # as the button is called
    assert "Contacts read for candidates that are in none 12" in text


def test_taking_parts_of_a_run_back_says_what_moved_back(manager, session):
    done = {"run_id": 2, "moved_back": 588}
    job = add_job(session, JobKind.ASSIGN_THEMES, state=JobState.DONE, result=done)

    assert "Contacts moved back 588" in text_of(manager.get(f"/jobs/{job.id}"))


def test_run_now_does_not_take_a_job_for_part_of_it_or_an_ended_one_for_the_same(manager, session):
    add_job(session, JobKind.DISCOVER_THEMES, arguments={"run_id": 1}, state=JobState.QUEUED)
    add_job(session, JobKind.DISCOVER_THEMES, state=JobState.DONE)

    manager.post("/jobs/run/themes.discover")

    assert len(session.scalars(sa.select(Job)).all()) == 3


def test_the_history_pages_back_through_every_job(manager, session):
    ids = [add_job(session).id for _ in range(65)]
    seen, url = [], "/jobs/"
    while url:
        html = manager.get(url)
        seen += re.findall(r'data-open href="/jobs/(\d+)"', html)
        found = re.search(r'rel="next" href="([^"]+)"', html)
        url = found[1] if found else ""

    assert seen == [str(job_id) for job_id in reversed(ids)]


def test_an_empty_site_says_what_comes_here(manager):
    assert "No jobs yet" in manager.get("/jobs/")


def test_no_such_job_is_not_found(manager):
    assert "There is no such job." in manager.get("/jobs/404", status=404)


def test_the_page_takes_the_same_number_of_statements_when_jobs_double(manager, session):
    for _ in range(5):
        add_job(session)
    once = statements_of(manager, "/jobs/")
    for _ in range(5):
        add_job(session)
        add_running(session)

    assert statements_of(manager, "/jobs/") == once
