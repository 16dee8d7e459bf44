"""Taking what emerges in the browser: every contact that would join is seen before."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys

import pytest
import sqlalchemy as sa

from closedloop.domain.jobs import JobKind
from closedloop.models import EmergingTheme, Job, Theme
from closedloop.services import kept_looks
from closedloop.services.emerging import find_emerging_themes
from closedloop.services.emerging_taking import take_emerging
from tests.factories.leftovers import SPOT, make_emerging, make_site, noise, real_maker, spot
from tests.pages import text_of
from tests.site import ROOT
from tests.statements import count_statements, statements_of

SPOTS = 60

SERVE = """
import pickle, sys
from closedloop.factory import create_app
settings, token, addresses = pickle.load(sys.stdin.buffer)
client = create_app(settings).test_client()
with client.session_transaction() as cookie:
    cookie["_user_id"], cookie["_fresh"] = token, True
for address in addresses:
    assert client.get(address).status_code == 200, address
print(sorted({"sklearn", "hdbscan", "torch", "onnxruntime"} & set(sys.modules)))
"""
"""A web process of its own: what others here have imported says nothing."""


@pytest.fixture
def emerging(database, settings, actor, session):
    """Sixty contacts of one spot, of which the newest make it rise."""
    texts = [*noise(200), *spot(SPOTS, [*range(18), 40, 45])]
    make_site(database, settings, actor, real_maker(), texts)
    find_emerging_themes(database.transaction, settings=settings, by=actor)
    number = session.scalars(sa.select(EmergingTheme.id)).one()
    session.commit()
    return number


def contacts_in(html):
    return set(re.findall(rf"{SPOT} s\d+", text_of(html)))


def test_every_contact_that_would_join_is_listed_page_by_page(manager, emerging):
    url = f"/themes/emerging/{emerging}/take"
    assert f'href="{url}"' in manager.get("/themes/unassigned")

    html = manager.get(url)
    with count_statements(manager.app.extensions["closedloop_database"].engine) as seen:
        second = manager.get(f"{url}?page=2")
    assert not any("encoded_texts" in statement for statement in seen)  # they were looked at

    assert f"{SPOTS} contacts would join it" in text_of(html)
    assert "contacts picked" not in text_of(html)
    assert f'href="{url}?page=2"' in html
    assert len(contacts_in(html.split("would join it", 1)[1])) == 50
    assert contacts_in(html) | contacts_in(second) == {f"{SPOT} s{i}" for i in range(SPOTS)}
    assert "typed_count" not in html


def test_taking_it_queues_a_job_that_says_which(manager, session, emerging):
    response = manager.post(f"/themes/emerging/{emerging}/take")

    job = session.scalars(sa.select(Job)).one()
    assert (job.kind, job.arguments) == (JobKind.ASSIGN_THEMES, {"emerging_id": emerging})
    assert response.location == f"/jobs/{job.id}"


def test_above_a_hundred_their_number_is_typed(manager, session, emerging, monkeypatch):
    monkeypatch.setattr("closedloop.domain.curation.COUNT_TO_TYPE_ABOVE", 59)
    url = f"/themes/emerging/{emerging}/take"

    assert "Type 60 to go on" in manager.get(url)
    for typed in ("", "61"):
        answer = manager.post(url, {"typed_count": typed}, status=422)
        assert "Type 60 to take it" in answer.text
    manager.post(url, {"typed_count": "60"})

    assert session.scalars(sa.select(Job)).one().arguments["count"] == 60


def test_one_nothing_is_left_of_says_so(manager, session, emerging):
    gone = make_emerging(session, name="Roof leaks")

    page = manager.get(f"/themes/emerging/{gone.id}/take")
    answer = manager.post(f"/themes/emerging/{gone.id}/take", status=409)

    assert "There is nothing left to take" in page
    assert "There is nothing left to take" in answer.text
    assert 'method="post" action="/themes/emerging' not in page
    small = make_emerging(session, customers=4)
    manager.get(f"/themes/emerging/{small.id}/take", status=404)


def test_what_was_taken_stands_among_the_changes_with_its_way_back(
    manager, session, database, settings, actor, emerging
):
    given = {"settings": settings, "by": actor, "maker": real_maker()}
    taken = take_emerging(database.transaction, emerging_id=emerging, **given)

    html = manager.get(f"/themes/{taken.key}/changes")
    undo = re.search(r'action="(/themes/changes/\d+/undo)"', html)[1]
    response = manager.post(undo)

    assert f"took it while it emerged; {SPOTS} contacts joined" in text_of(html)
    job = session.scalars(sa.select(Job)).one()
    assert job.arguments == {"undo_parts": int(undo.split("/")[3])}
    assert response.location == f"/jobs/{job.id}"
    assert session.scalars(sa.select(Theme.key).where(Theme.key == taken.key)).one()


def test_the_number_of_statements_does_not_grow_with_the_contacts(
    manager, emerging, session, monkeypatch
):
    monkeypatch.setattr(kept_looks, "_LOOKS", {})  # of a site just like this one
    url = f"/themes/emerging/{emerging}/take"
    looked = statements_of(manager, url)
    again = statements_of(manager, url)
    assert again == statements_of(manager, f"{url}?page=2")
    assert again < looked <= 26


def test_a_web_process_shows_themes_and_what_emerges_without_what_finds_them(
    manager, session, settings, emerging
):
    with manager.client.session_transaction() as cookie:
        token = cookie["_user_id"]
    addresses = ["/themes/", "/triage/", "/themes/unassigned", f"/themes/emerging/{emerging}/take"]

    done = subprocess.run(
        [sys.executable, "-c", SERVE],
        input=pickle.dumps((settings, token, addresses)),
        cwd=ROOT,
        capture_output=True,
        check=False,
    )

    assert (done.stdout.decode().strip(), done.stderr.decode()) == ("[]", "")
