"""Evidence of a theme over the API: quotes, rejecting one, checks with their range, suggestions."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.proportions import wilson_interval
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, Theme, ThemeSuggestion
from tests.api.caller import Caller
from tests.factories.contacts import make_batch, make_contact
from tests.factories.rollups import make_evidence
from tests.factories.series import make_definitions
from tests.factories.themes import make_stats, make_theme


@pytest.fixture
def theme(session):
    theme = make_theme(session, ThemeStatus.TRIAGED, name="Card late")
    make_stats(session, theme)
    make_definitions(session, [theme])
    return theme


@pytest.fixture
def contacts(session, theme):
    batch = make_batch(session)
    return [
        make_contact(session, theme=theme, batch=batch, text=f"Card number {n} is late")
        for n in range(8)
    ]


def shrink(session, theme):
    theme.stats.customers = 4
    session.commit()


def test_a_quote_is_rejected_and_taken_back(api, session, theme, contacts):
    make_evidence(session, theme, contacts[2])
    url = f"/themes/{theme.key}/evidence"
    (quote,) = api.get(url)["items"]
    assert (quote["contact"], quote["text"]) == (contacts[2].id, "Card number 2 is late")

    api.send(f"{url}/{contacts[2].id}/reject")
    assert api.get(url)["items"] == []
    (rejected,) = api.get(f"{url}/rejected")["items"]
    assert (rejected["contact"], rejected["rejected_by"]) == (contacts[2].id, api.user.name)
    api.send(f"{url}/{contacts[2].id}/take-back")

    assert api.get(url)["items"] == [quote]
    assert api.get(f"{url}/rejected")["items"] == []
    api.problem(f"{url}/{contacts[2].id}/take-back", 404, "POST")
    api.problem(f"{url}/{contacts[5].id}/reject", 404, "POST")
    of_theme = sa.select(AuditEvent.verb).where(AuditEvent.target_kind == "theme")
    verbs = session.scalars(of_theme.order_by(AuditEvent.id))
    assert verbs.all() == ["themes.quote_rejected", "themes.quote_taken_back"]


def test_too_few_customers_are_neither_quoted_nor_judged(api, session, theme, contacts):
    make_evidence(session, theme, contacts[0])
    drawn = api.send(f"/themes/{theme.key}/checks", {"size": 5}, 201)["round"]["question"]
    api.send(f"/themes/{theme.key}/checks/{drawn['contact']}", {"belongs": True})
    shrink(session, theme)

    assert api.get(f"/themes/{theme.key}")["precision"] is None
    assert api.get(f"/themes/{theme.key}/evidence") == {"is_hidden": True, "items": []}
    assert api.get(f"/themes/{theme.key}/evidence/rejected") == {"items": []}
    assert api.get(f"/themes/{theme.key}/checks") == {
        "theme": theme.key,
        "is_hidden": True,
        "precision": None,
        "round": None,
    }
    assert (
        "fewer than 5" in api.problem(f"/themes/{theme.key}/checks", 409, "POST", json={})["detail"]
    )


def test_a_sample_is_drawn_and_judged_and_measures_the_theme(api, session, theme, contacts):
    url = f"/themes/{theme.key}/checks"
    assert api.get(url)["round"] is None
    found = api.send(url, {"size": 5}, 201)
    assert (found["round"]["drawn"], found["round"]["left"]) == (5, 5)
    asked = []
    while found["round"]["question"]:
        contact = found["round"]["question"]["contact"]
        asked.append(contact)
        assert "is late" in found["round"]["question"]["text"]
        found = api.send(f"{url}/{contact}", {"belongs": len(asked) != 2})

    assert len(set(asked)) == 5
    precision = found["precision"]
    assert (precision["looked_at"], precision["belonging"], precision["value"]) == (5, 4, 0.8)
    assert (precision["low"], precision["high"]) == pytest.approx(wilson_interval(4, 5))
    assert found["round"]["strays"] == [asked[1]]
    assert api.get(f"/themes/{theme.key}")["precision"] == precision
    again = api.send(f"{url}/{asked[1]}/take-back")
    assert again["round"]["question"]["contact"] == asked[1]
    assert (again["precision"]["looked_at"], again["precision"]["value"]) == (4, 1)


def test_a_second_round_waits_for_the_first_and_answers_are_not_overwritten(
    api, session, theme, contacts
):
    url = f"/themes/{theme.key}/checks"
    first = api.send(url, {"size": 5}, 201)["round"]["question"]["contact"]
    api.send(f"{url}/{first}", {"belongs": True})

    assert "still has 4 contacts" in api.problem(url, 409, "POST", json={})["detail"]
    other = Caller(api.page, session, Role.ADMIN)
    problem = other.problem(f"{url}/{first}", 409, "POST", json={"belongs": False})
    assert api.user.name in problem["detail"]
    api.problem(f"{url}/{contacts[0].id + 999}", 404, "POST", json={"belongs": True})


@pytest.mark.parametrize("size", [0, 4, 10_000, "5", 5.5, None, True])
def test_a_sample_of_an_absurd_size_is_refused_beside_its_field(api, theme, contacts, size):
    problem = api.problem(f"/themes/{theme.key}/checks", 422, "POST", json={"size": size})

    assert set(problem["errors"]) == {"size"}


def test_a_suggested_name_is_accepted_with_a_way_back(api, session, theme):
    url = f"/themes/{theme.key}/suggestion"
    api.problem(url, 404)
    words = {"name": "Card has not come", "summary": "It does not come.", "model": "small-1"}
    session.add(ThemeSuggestion(theme_id=theme.id, asked_by="Command line", **words))
    session.flush()
    assert {name: api.get(url)[name] for name in words} == words

    api.send(f"{url}/dismiss")
    api.problem(url, 404)
    api.send(f"{url}/bring-back")
    api.problem(f"{url}/accept", 409, "POST", json={"name": "Something else"})
    done = api.send(f"{url}/accept", {"name": words["name"]})

    assert session.get(Theme, theme.id).name == words["name"]
    api.send(f"/themes/changes/{done['change']}/undo")
    assert session.get(Theme, theme.id).name == "Card late"
