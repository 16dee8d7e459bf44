"""Names that a language model suggests: what leaves the site, what is kept, what people decide."""

from __future__ import annotations

import dataclasses
import json

import pytest
import sqlalchemy as sa

from closedloop.adapters.naming import Endpoint
from closedloop.domain.errors import ChangedMeanwhile, Invalid, NotFound, Unavailable
from closedloop.domain.naming import INSTRUCTION
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, ContactText, QuoteRejection, Theme, ThemeSuggestion
from closedloop.queries.naming import get_machine_words
from closedloop.services.naming import (
    accept_suggestion,
    bring_back_suggestion,
    dismiss_suggestion,
    plan_names,
    suggest_names,
)
from closedloop.services.themes import rename_theme
from closedloop.services.undoing import undo_change
from tests.factories.contacts import make_contact
from tests.factories.naming import GOOD, serve_endpoint
from tests.factories.rollups import make_evidence
from tests.factories.themes import make_stats, make_theme


@pytest.fixture
def server():
    with serve_endpoint() as running:
        yield running


@pytest.fixture
def site(settings, server):
    """Settings of a site that asks the endpoint."""
    return dataclasses.replace(
        settings, naming_url=server.url, naming_model="small-1", naming_key="sk-secret"
    )


def quoted(session, *quotes, kind="typical", people=352, **values):
    """Add a theme that has figures and these quotes."""
    theme = make_theme(session, **{"name": "card arrived", **values})
    make_stats(session, theme, customers=people)
    quote(session, theme, *quotes, kind=kind)
    return theme


def quote(session, theme, *quotes, kind="typical"):
    for rank, text in enumerate(quotes, 1):
        contact = make_contact(session, theme=theme, text=text)
        make_evidence(session, theme, contact, kind=kind, rank=rank)


@pytest.fixture
def suggest(database, session, site, actor):
    def suggest_them(*themes, settings=site, **values):
        ids = [theme.id for theme in themes]
        session.commit()
        result = suggest_names(
            database.transaction,
            settings=settings,
            theme_ids=ids,
            by=actor,
            **values,
        )
        session.expire_all()
        return result

    return suggest_them


def sent(server):
    return [json.loads(body["messages"][1]["content"]) for _, _, body in server.asked]


def events(session, verb):
    query = sa.select(AuditEvent).where(AuditEvent.verb == verb).order_by(AuditEvent.id)
    return list(session.scalars(query))


def test_nothing_is_sent_and_nothing_said_where_naming_is_off(session, suggest, settings, server):
    theme = quoted(session, "my card is not here")
    for ids in ((), (theme,)):
        with pytest.raises(Invalid, match="is off"):
            suggest(*ids, settings=settings)
    with pytest.raises(Invalid, match="CLOSEDLOOP_NAMING_COMMAND"):
        plan_names(session, settings=settings)
    assert not server.asked
    assert not events(session, "themes.quotes_sent")


def test_quotes_keywords_and_statistical_name_are_sent_and_the_suggestion_is_kept_beside(
    session, suggest, server
):
    theme = quoted(session, "my card is not here", "still no card", keywords=["card", "arrived"])
    quote(session, theme, "where is it", kind="boundary")
    quote(session, theme, "my card was eaten", kind="contrary")
    before = (theme.name, theme.is_named_by_person, theme.keywords)

    result = suggest()

    assert result.suggested == ((theme.key, GOOD["name"]),)
    assert sent(server) == [
        {
            "statistical_name": "card arrived",
            "keywords": ["card", "arrived"],
            "quotes": ["my card is not here", "still no card", "where is it"],
        }
    ]
    assert server.asked[0][2]["messages"][0]["content"] == INSTRUCTION
    theme = session.get(Theme, theme.id)
    assert (theme.name, theme.is_named_by_person, theme.keywords) == before
    words = get_machine_words(session, theme)
    assert (words.name, words.summary) == (GOOD["name"], GOOD["summary"])
    assert (words.model, words.is_offered) == ("small-1", True)


def test_what_redaction_missed_is_hidden_before_it_is_sent(session, suggest, server):
    late = "so " * 102 + "write to bob.lee@example.org or +44 20 7946 0958 now"
    theme = quoted(
        session,
        "please write to ann.lee@example.org about it",
        late,
        name="ann.lee@example.org card",
        keywords=["card", "cy.lee@example.org"],
    )
    session.commit()
    kept = session.scalars(sa.select(ContactText.issue_text)).all()
    assert any("ann.lee@example.org" in text for text in kept)  # planted behind the redactor

    suggest(theme)

    asked = json.dumps(server.asked)
    assert "example.org" not in asked
    assert "bob.lee" not in asked
    assert "7946" not in asked
    assert sent(server)[0]["quotes"][0] == "please write to [EMAIL] about it"
    assert sent(server)[0]["statistical_name"] == "[EMAIL] card"
    assert sent(server)[0]["keywords"] == ["card", "[EMAIL]"]
    assert all(len(text) <= 330 for text in sent(server)[0]["quotes"])


def test_the_sites_own_rules_count_when_sending(session, suggest, server, site):
    site.instance.mkdir()
    (site.instance / "redaction.toml").write_text('[extra]\norder = "NB-\\\\d+"\n')
    suggest(quoted(session, "order NB-77121 is lost"))
    assert sent(server)[0]["quotes"] == ["order [ORDER] is lost"]


def test_themes_of_too_few_people_and_themes_not_counted_are_never_sent(session, suggest, server):
    small = quoted(session, "small secret", people=4)
    uncounted = make_theme(session)
    quote(session, uncounted, "uncounted secret")
    shown = quoted(session, "my card is not here", people=5)

    result = suggest(small, uncounted, shown)

    assert [key for key, _ in result.suggested] == [shown.key]
    assert dict(result.passed_by) == {
        small.key: "it has fewer than 5 customers",
        uncounted.key: "it is not counted yet",
    }
    assert "secret" not in json.dumps([body for _, _, body in server.asked])
    assert [event.target_id for event in events(session, "themes.quotes_sent")] == [shown.id]


def test_rejected_quotes_gone_themes_and_names_of_people_stay_out(session, suggest, server):
    named = quoted(session, "named by hand", is_named_by_person=True, name="Our own name")
    retired = quoted(session, "retired words", status=ThemeStatus.RETIRED)
    theme = quoted(session, "rejected words", "good words")
    bare = quoted(session)
    first = session.scalars(
        sa.select(ContactText.contact_id).where(ContactText.issue_text == "rejected words")
    ).one()
    session.add(QuoteRejection(theme_id=theme.id, contact_id=first, rejected_by="Test"))

    result = suggest(named, retired, theme, bare)

    assert [q["quotes"] for q in sent(server)] == [["good words"]]
    assert dict(result.passed_by) == {
        named.key: "a person has named it",
        retired.key: "it is retired",
        bare.key: "it has no quotes yet",
    }
    assert session.get(Theme, named.id).name == "Our own name"


def test_the_audit_log_says_how_many_quotes_went_where_and_neither_words_nor_key(
    session, suggest, server
):
    theme = quoted(session, "my card is not here", "still no card")
    suggest()
    (event,) = events(session, "themes.quotes_sent")
    assert event.summary == f"gave 2 redacted quotes of {theme.key} to 127.0.0.1 to ask for a name"
    assert event.detail == {"quotes": 2, "to": "127.0.0.1", "model": "small-1"}
    (kept,) = events(session, "themes.name_suggested")
    assert kept.target_id == theme.id
    everything = json.dumps([[e.summary, e.detail] for e in session.scalars(sa.select(AuditEvent))])
    assert "still no card" not in everything
    assert "sk-secret" not in everything
    assert "/v1" not in everything


@pytest.mark.parametrize(
    "content",
    [
        "Here is a name: Card",
        '{"name": "<img src=x onerror=alert(1)>", "summary": "Cards."}',
        '{"name": "Card", "summary": "Ask ann.lee@example.org."}',
        '{"name": "Card"}',
        "n" * 1_000_000,
    ],
)
def test_a_hostile_answer_is_refused_the_next_theme_is_asked_and_the_name_stays(
    session, suggest, server, content
):
    one, two = quoted(session, "my card is not here"), quoted(session, "refund please")
    server.content = content

    result = suggest()

    assert [key for key, _ in result.refused] == [one.key, two.key]
    assert "onerror" not in str(result)
    assert "ann.lee" not in str(result)
    assert not result.suggested
    assert session.get(Theme, one.id).name == "card arrived"
    assert not session.scalars(sa.select(ThemeSuggestion)).all()
    assert len(events(session, "themes.quotes_sent")) == 2


def test_a_refused_answer_leaves_the_suggestion_of_before(session, suggest, server):
    theme = quoted(session, "my card is not here")
    suggest()
    server.content = "no"
    assert suggest(theme).refused
    assert session.get(ThemeSuggestion, theme.id).name == GOOD["name"]


def test_where_nobody_answers_in_time_the_rest_is_not_sent(session, suggest, server):
    first, _ = quoted(session, "my card is not here"), quoted(session, "refund please")
    server.drips = True
    slow = Endpoint(server.url, "small-1", "sk-secret", 0.3)
    with pytest.raises(Unavailable, match=f"No name for {first.key}: 127.0.0.1 did not") as refusal:
        suggest(namer=slow)
    assert "sk-secret" not in refusal.value.sentence
    assert len(server.asked) == 1
    assert len(events(session, "themes.quotes_sent")) == 1


def test_a_local_command_is_asked_in_the_same_way(session, suggest, settings, tmp_path):
    script = tmp_path / "namer.sh"
    script.write_text(f"#!/bin/sh\ncat > '{tmp_path}/asked'\necho '{json.dumps(GOOD)}'\n")
    script.chmod(0o755)
    theme = quoted(session, "write to ann.lee@example.org")
    local = dataclasses.replace(settings, naming_command=str(script))

    assert suggest(settings=local).suggested == ((theme.key, GOOD["name"]),)

    asked = (tmp_path / "asked").read_text()
    assert asked.startswith(INSTRUCTION)
    assert "write to [EMAIL]" in asked
    assert get_machine_words(session, theme).model == "namer.sh"
    (event,) = events(session, "themes.quotes_sent")
    assert event.detail["to"] == "namer.sh on this machine"


def test_a_theme_that_a_person_names_while_the_answer_is_awaited_keeps_that_name(
    session, suggest, database, actor
):
    theme = quoted(session, "my card is not here")

    class Slow:
        where, model = "somewhere", "slow"

        def ask(self, instruction, question):
            with database.transaction() as other:
                rename_theme(other, theme_id=theme.id, name="Cards lost in the post", by=actor)
            return json.dumps(GOOD)

    result = suggest(namer=Slow())

    assert result.passed_by == ((theme.key, "a person named it meanwhile"),)
    assert session.get(Theme, theme.id).name == "Cards lost in the post"
    assert session.get(ThemeSuggestion, theme.id) is None


def test_without_a_key_nobody_is_asked_twice(session, suggest, server):
    theme = quoted(session, "my card is not here")
    suggest()
    assert suggest().suggested == ()
    assert len(server.asked) == 1
    server.content = json.dumps({"name": "Another", "summary": "Other words."})
    assert suggest(theme).suggested == ((theme.key, "Another"),)


def test_accepting_names_the_theme_as_a_person_does_and_is_undone_like_it(
    session, suggest, site, actor
):
    theme = quoted(session, "my card is not here")
    suggest()

    with pytest.raises(ChangedMeanwhile, match="Another name"):
        accept_suggestion(session, theme_id=theme.id, name="What I saw before", by=actor)
    change = accept_suggestion(session, theme_id=theme.id, name=GOOD["name"], by=actor)

    theme = session.get(Theme, theme.id)
    assert (theme.name, theme.is_named_by_person) == (GOOD["name"], True)
    words = get_machine_words(session, theme)
    assert (words.is_offered, words.is_name) == (False, True)
    with pytest.raises(ChangedMeanwhile, match="that name stays"):
        accept_suggestion(session, theme_id=theme.id, name=GOOD["name"], by=actor)

    undo_change(session, settings=site, change_id=change.id, by=actor)

    assert (theme.name, theme.is_named_by_person) == ("card arrived", False)
    assert get_machine_words(session, theme).is_offered


def test_a_suggestion_cannot_replace_a_name_that_a_person_gave_since(session, suggest, actor):
    theme = quoted(session, "my card is not here")
    suggest()
    rename_theme(session, theme_id=theme.id, name="Ours", by=actor)
    with pytest.raises(ChangedMeanwhile, match="that name stays"):
        accept_suggestion(session, theme_id=theme.id, name=GOOD["name"], by=actor)
    words = get_machine_words(session, theme)
    assert (words.is_offered, words.is_name) == (False, False)
    assert theme.name == "Ours"


def test_dismissing_hides_it_from_everybody_until_it_is_brought_back(session, suggest, actor):
    theme = quoted(session, "my card is not here")
    suggest()
    dismiss_suggestion(session, theme_id=theme.id, by=actor)
    assert get_machine_words(session, theme) is None
    assert theme.name == "card arrived"
    with pytest.raises(NotFound, match="any more"):
        accept_suggestion(session, theme_id=theme.id, name=GOOD["name"], by=actor)
    with pytest.raises(NotFound):
        dismiss_suggestion(session, theme_id=theme.id, by=actor)
    assert suggest().suggested == ()

    bring_back_suggestion(session, theme_id=theme.id, by=actor)

    assert get_machine_words(session, theme).name == GOOD["name"]
    with pytest.raises(NotFound):
        bring_back_suggestion(session, theme_id=theme.id, by=actor)
    verbs = ("themes.suggestion_dismissed", "themes.suggestion_taken_back")
    assert [len(events(session, verb)) for verb in verbs] == [1, 1]


def test_what_is_planned_is_what_is_sent(session, suggest, server, site):
    quoted(session, "write to ann.lee@example.org", "still no card")
    session.commit()
    plan = plan_names(session, settings=site)
    session.rollback()
    suggest()
    assert [json.loads(question.to_json()) for question in plan.questions] == sent(server)
    assert (plan.where, plan.model) == ("127.0.0.1", "small-1")
