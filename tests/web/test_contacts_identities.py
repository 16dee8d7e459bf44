"""Linking customers on the page: tried out first, then done, and taken back."""

from __future__ import annotations

import io
import re

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.clock import utc_now
from closedloop.domain.jobs import JobState
from closedloop.jobs.work import WORK
from closedloop.models import ContactLink, Job, LinkRun
from closedloop.services.long_work import tell_nobody
from tests.pages import text_of
from tests.privacy_sites import PrivacySite, row

CROSSWALK = "email;phone\nann@example.org;+447911123456\nnew@example.org;+447911123457\n"


@pytest.fixture
def filled(app, session, database, settings, actor) -> PrivacySite:
    site = PrivacySite(database, settings, actor)
    site.take_in(
        [
            row("call", customer="+447911123456"),
            row("mail", customer="ann@example.org", hours=30),
            row("nobody", customer=""),
        ]
    )
    return site


def run_job(session, database, settings) -> Job:
    """Run the newest job as a worker would."""
    session.rollback()
    job = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
    kind, arguments = job.kind, dict(job.arguments)
    session.rollback()
    result = WORK[kind](database, settings, arguments, COMMAND_LINE, tell_nobody)
    job = session.scalars(sa.select(Job).order_by(Job.id.desc())).first()
    job.state, job.result, job.finished_at = JobState.DONE, result, utc_now()
    session.commit()
    return job


def form(**values) -> dict:
    sent = {"crosswalk": (io.BytesIO(CROSSWALK.encode()), "crm.csv")}
    return {"email": "1", "phone": "1", "max_customers": "3", **sent, **values}


def n_chains(session) -> int:
    session.rollback()
    return session.scalar(sa.select(sa.func.count(sa.distinct(ContactLink.chain_id))))


def test_the_form_can_be_sent_without_any_file(manager) -> None:
    html = manager.get("/contacts/identities")
    files = re.findall(r'<input type="file"[^>]*>', html)
    assert len(files) == 2
    assert not any(" required" in tag for tag in files)


def test_rules_are_tried_out_then_applied_then_taken_back(
    manager, filled, session, database, settings
) -> None:
    html = text_of(manager.get("/contacts/identities"))
    assert "No customer has been linked yet" in html
    assert "33.3 %" in html  # the share without identity

    location = manager.post("/contacts/identities", form()).headers["Location"]
    assert "Waiting for a worker" in manager.get(location)
    run_job(session, database, settings)
    html = text_of(manager.get(location))
    assert "What would be joined" in html
    assert "1 joined to another" in html
    assert "1 customers of the crosswalk have not contacted you yet" in html
    assert n_chains(session) == 2

    location = manager.post(f"{location}/apply").headers["Location"]
    run_job(session, database, settings)
    assert "1 contact now stands with another customer" in text_of(manager.get(location))
    assert n_chains(session) == 1

    run_id = session.scalar(sa.select(LinkRun.id))
    html = manager.get("/contacts/identities")
    assert f"Take run {run_id} back" in html
    location = manager.post(f"/contacts/identities/{run_id}/undo").headers["Location"]
    run_job(session, database, settings)
    assert "1 customer stands as before" in text_of(manager.get(location))
    assert n_chains(session) == 2
    assert "taken back by" in manager.get("/contacts/identities")


def test_the_crosswalk_is_deleted_once_it_is_used(
    manager, filled, session, database, settings
) -> None:
    def crosswalks() -> list:
        return [p for p in settings.uploads.glob("*.upload") if b"new@example" in p.read_bytes()]

    location = manager.post("/contacts/identities", form()).headers["Location"]
    run_job(session, database, settings)
    assert len(crosswalks()) == 1
    manager.post(f"{location}/apply")
    run_job(session, database, settings)
    assert crosswalks() == []


def test_nothing_is_applied_that_was_not_tried_out(manager, filled, session) -> None:
    location = manager.post("/contacts/identities", form()).headers["Location"]
    manager.post(f"{location}/apply")
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 1
    assert "Try the rules out first" in manager.get(location)


def test_rules_come_as_a_file_too(manager, filled, session, database, settings) -> None:
    rules = b"max_customers = 2\n[link]\nemail = true\n"
    data = {"rules": (io.BytesIO(rules), "ours.toml"), "max_customers": "3"}
    manager.post("/contacts/identities", data)
    job = session.scalars(sa.select(Job)).one()
    assert job.arguments["file_name"] == "ours.toml"
    assert job.arguments["rules"]["max_customers"] == 2
    assert job.arguments["rules"]["link"] == {"account": False, "email": True, "phone": False}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"max_customers": "many"}, "whole number from 2 to 100"),
        ({"max_customers": "1"}, "whole number from 2 to 100"),
        ({"crosswalk": (io.BytesIO(b"name,city\n"), "x.csv")}, "x.csv needs two columns or more"),
        ({"rules": (io.BytesIO(b"[link"), "x.toml")}, "is no TOML file"),
    ],
)
def test_wrong_answers_come_back_with_a_sentence(manager, filled, session, values, words) -> None:
    answer = manager.post("/contacts/identities", form(**values), 422)
    assert words in text_of(answer.text)
    assert session.scalar(sa.select(sa.func.count(Job.id))) == 0


def test_no_kind_ticked_is_said_and_leads_to_the_kinds(manager, filled) -> None:
    answer = manager.post("/contacts/identities", {"max_customers": "3"}, 422)
    assert "Tick at least one kind" in text_of(answer.text)
    assert '<a href="#f-kinds">' in answer.text
    assert 'id="f-kinds"' in answer.text


def test_a_stakeholder_may_not_link(sign_in_as, filled) -> None:
    page = sign_in_as(Role.STAKEHOLDER)
    page.get("/contacts/identities", 403)
    assert "/contacts/identities" not in page.get("/contacts/")


def test_the_share_without_identity_stands_on_the_repeats_page_and_in_the_report(
    manager, filled
) -> None:
    customers = [f"cust-{n}" for n in range(21)] + [""] * 6  # with the three before: 23 and 7
    rows = [row(f"c{n}", customer=who, hours=n) for n, who in enumerate(customers)]
    filled.take_in([*rows, row("late", hours=24 * 40)], source="other")
    asked = "from=2026-03-02&to=2026-03-03"
    repeats = text_of(manager.get(f"/contacts/repeats?window=24h&{asked}"))
    assert "23.3 % have none and enter no rate" in repeats
    report = text_of(manager.get("/reports/?from=2026-03-02&to=2026-03-20"))
    assert "23.3 % of contacts have no known customer and enter no rate" in report


@pytest.mark.parametrize("number", [1, 2**31 - 1])
def test_undoing_a_link_run_that_is_not_there_says_so(manager, number):
    answer = manager.post(f"/contacts/identities/{number}/undo", status=404)

    assert f"There is no link run number {number}." in answer.text
