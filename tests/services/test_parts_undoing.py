"""Accepted parts of runs are taken back to the byte, or refused with what to undo first."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.runs import PartKind, PartState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    Contact,
    ContactLink,
    ContactText,
    DailyRollup,
    DefinitionSet,
    ThemeChange,
    ThemeDefinition,
    ThemeEvidence,
    ThemeStats,
    ThemeWeek,
    TriageDecision,
)
from closedloop.models.curation import ChangeKind
from closedloop.queries.curation import list_changes
from closedloop.queries.lineage import get_lineage
from closedloop.services.parts_undoing import undo_parts
from closedloop.services.text_removal import remove_texts
from closedloop.services.triage import (
    dismiss_candidate,
    merge_themes,
    undo_decision,
)
from closedloop.services.undoing import undo_change
from tests.factories.histories import rows_of, theme_named, themes_by_topic
from tests.factories.run_sites import Site, fitting_maker_of
from tests.services.test_run_parts import Died, die_over_quotes

TABLES = (Contact, ContactLink, DailyRollup, ThemeStats)


@pytest.fixture(params=["words", "real models"])
def site(request, database, settings, actor):
    if request.param == "words":
        return Site(database, settings, actor)
    return Site(database, settings, actor, fitting_maker_of)


def picture(site):
    """Return everything that says where contacts are, and what is made from it."""
    rows = [rows_of(site.database, table) for table in TABLES]
    with site.database.reading() as session:
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
        weeks = sa.select(ThemeWeek.theme_id, ThemeWeek.week, ThemeWeek.contacts)
        weeks = weeks.add_columns(ThemeWeek.confidence).order_by(ThemeWeek.theme_id, ThemeWeek.week)
        return [
            *rows,
            [tuple(row) for row in session.execute(weeks)],
            list(current.label_themes),
            bytes(site_model(session)),
        ]


def site_model(session):
    return session.scalar(sa.select(DefinitionSet.model).where(DefinitionSet.is_current))


def change_of(site, name):
    theme = theme_named(site.database, name)
    with site.database.reading() as session:
        query = sa.select(ThemeChange.id).where(
            ThemeChange.theme_id == theme.id, ThemeChange.kind == ChangeKind.PARTS
        )
        return session.scalars(query.order_by(ThemeChange.id.desc())).first()


def take_back(site, name, **values):
    return undo_parts(
        site.database.transaction,
        settings=site.settings,
        change_id=change_of(site, name),
        **{"by": site.actor, "maker": site.maker_of(), **values},
    )


def grow(site):
    """Let an agreed theme grow by what became a candidate, which is retired with it."""
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD", "PIN")
    site.keep("Card")
    site.discover("CARD+LOST", "PIN")
    (grew,) = site.parts(kind=PartKind.GREW)
    return grew


def test_what_grew_is_taken_back_to_the_byte(site):
    grew = grow(site)
    before = picture(site)
    site.accept(grew)
    assert themes_by_topic(site.database)["LOST"] == {"T-001"}
    assert picture(site)[0] != before[0]

    change = take_back(site, "Our Card")

    assert picture(site) == before
    assert (change.contacts, change.undone_by) == (12, "Priya Nair")
    assert theme_named(site.database, "Card+Lost").status is ThemeStatus.CANDIDATE
    (again,) = site.parts(kind=PartKind.GREW)
    assert (again.state, again.decided_by, again.detail) == (PartState.PROPOSED, "", grew.detail)


def test_a_job_whose_worker_died_after_taking_parts_back_finds_that_done(site):
    site.accept(grow(site))
    job = Actor("Assign themes for Priya Nair", ActorKind.JOB)
    with pytest.raises(Died):
        take_back(site, "Our Card", by=job, report=die_over_quotes)
    before = picture(site)

    change = take_back(site, "Our Card", by=job)

    assert picture(site) == before
    assert (change.contacts, change.undone_by) == (12, job.name)
    assert rows_of(site.database, ThemeEvidence)
    with pytest.raises(Conflict, match="undone already"):
        take_back(site, "Our Card")


def places(site):
    """Return cluster and theme of every contact."""
    with site.database.reading() as session:
        columns = (Contact.id, Contact.cluster, Contact.theme_id)
        return [tuple(row) for row in session.execute(sa.select(*columns).order_by(Contact.id))]


def expire_half(site, topic):
    with site.database.transaction() as session:
        of_topic = ContactText.issue_text.startswith(topic)
        ids = session.scalars(sa.select(ContactText.contact_id).where(of_topic)).all()
        remove_texts(session, ids[::2])


def test_who_joined_goes_back_although_the_words_expired_since(site):
    grew = grow(site)
    before = places(site)
    site.accept(grew)
    for topic in ("LOST", "CARD", "PIN"):
        expire_half(site, topic)

    take_back(site, "Our Card")

    assert places(site) == before


def test_who_left_comes_back_although_the_words_expired_since(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    site.discover("CARD", "PIN")
    before = places(site)
    site.accept(*site.parts(kind=PartKind.SHRANK))
    assert places(site) != before
    expire_half(site, "LOST")

    take_back(site, "Our Card+Lost")

    assert places(site) == before


def test_who_had_no_words_is_not_put_back_into_a_theme_that_was_merged_since(site):
    site.add(CARD=9, LOST=6, PIN=7, REFUND=8)
    site.discover("CARD", "PIN", "REFUND")
    site.keep("Card", "Pin", "Refund")
    site.discover("CARD+LOST", "PIN", "REFUND")
    pin, refund = (theme_named(site.database, f"Our {name}").id for name in ("Pin", "Refund"))
    with site.database.transaction() as session:
        loose = session.scalars(sa.select(Contact.id).where(Contact.theme_id == pin).limit(1)).one()
        remove_texts(session, [loose])
        session.execute(sa.update(Contact).where(Contact.id == loose).values(cluster=-1))
    site.accept(*site.parts(kind=PartKind.GREW))
    with site.database.transaction() as session:
        merge_themes(
            session,
            settings=site.settings,
            theme_id=pin,
            into_id=refund,
            reason="The same.",
            by=site.actor,
        )

    take_back(site, "Our Card")

    with site.database.reading() as session:
        assert session.get_one(Contact, loose).theme_id == refund


def lineage_of(site, name):
    theme = theme_named(site.database, name)
    with site.database.reading() as session:
        return [step.kind.value for step in get_lineage(session, theme)]


def test_lineage_follows_what_is_accepted_and_taken_back(site):
    grew = grow(site)
    told = []
    for _ in range(2):
        site.accept(grew)
        told.append(lineage_of(site, "Card+Lost"))
        take_back(site, "Our Card")
        told.append(lineage_of(site, "Card+Lost"))
    assert told == [["born", "retired"], ["born"]] * 2


def test_what_shrank_is_taken_back_to_the_byte(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    site.discover("CARD", "PIN")
    before = picture(site)
    site.accept(*site.parts(kind=PartKind.SHRANK))
    assert themes_by_topic(site.database)["LOST"] == {None}

    take_back(site, "Our Card+Lost")

    assert picture(site) == before


def test_parts_accepted_together_are_taken_back_together(site):
    site.add(CARD=9, LOST=6, PIN=8, REFUND=7)
    site.discover("CARD+LOST", "PIN+REFUND")
    site.keep("Card+Lost", "Pin+Refund")
    site.discover("CARD", "LOST", "PIN", "REFUND")
    before = picture(site)
    done = site.accept(*site.parts(kind=PartKind.SPLIT))
    assert len(done.new_themes) == 2

    take_back(site, "Our Pin+Refund")

    after = picture(site)
    # The pieces stay on record as retired themes, of no contacts.
    after[3] = [row for row in after[3] if row[0] in {row[0] for row in before[3]}]
    assert after == before
    assert theme_named(site.database, "Lost").status is ThemeStatus.RETIRED
    assert theme_named(site.database, "Refund").status is ThemeStatus.RETIRED
    assert lineage_of(site, "Lost") == ["born", "retired"]
    with pytest.raises(Conflict, match="undone already"):
        take_back(site, "Our Card+Lost")


def test_it_can_be_accepted_and_taken_back_again(site):
    grew = grow(site)
    before = picture(site)
    for _ in range(2):
        site.accept(grew)
        take_back(site, "Our Card")
    assert picture(site) == before


def test_contacts_without_words_go_back_where_they_were(site):
    grew = grow(site)
    with site.database.transaction() as session:
        lost = ContactText.issue_text.contains("LOST")
        card = ContactText.issue_text.contains("CARD")
        query = sa.select(ContactText.contact_id).order_by(ContactText.contact_id).limit(2)
        remove_texts(session, [*session.scalars(query.where(lost))])
        remove_texts(session, [*session.scalars(query.where(card))])
    before = picture(site)

    site.accept(grew)
    take_back(site, "Our Card")

    assert picture(site)[0] == before[0]


def test_contacts_that_came_since_go_where_they_would_have_gone(site):
    grew = grow(site)
    site.accept(grew)
    site.add(LOST=3, CARD=4)

    take_back(site, "Our Card")

    where = themes_by_topic(site.database)
    assert where["CARD"] == {"T-001"}
    assert where["LOST"] == {theme_named(site.database, "Card+Lost").key}


def test_decisions_about_other_themes_since_are_kept(site):
    site.add(CARD=9, LOST=6, PIN=7, TOPUP=8)
    site.discover("CARD", "PIN", "TOPUP")
    site.keep("Card")
    site.discover("CARD+LOST", "PIN", "TOPUP")
    site.accept(*site.parts(kind=PartKind.GREW))
    pin, topup = (theme_named(site.database, name) for name in ("Pin", "Topup"))
    with site.database.transaction() as session:
        merge_themes(
            session,
            settings=site.settings,
            theme_id=pin.id,
            into_id=topup.id,
            reason="One matter.",
            by=site.actor,
        )

    take_back(site, "Our Card")

    where = themes_by_topic(site.database)
    assert where["PIN"] == where["TOPUP"] == {topup.key}
    assert where["CARD"] == {"T-001"} != where["LOST"]
    with site.database.transaction() as session:
        decision = session.scalars(sa.select(TriageDecision)).one()
        undo_decision(session, settings=site.settings, decision_id=decision.id, by=site.actor)
    assert themes_by_topic(site.database)["PIN"] == {pin.key}


def test_a_merge_of_before_can_be_undone_once_the_parts_are_taken_back(site):
    site.add(CARD=9, PIN=7, LOST=6)
    site.discover("CARD", "PIN")
    card, pin = (theme_named(site.database, name) for name in ("Card", "Pin"))
    with site.database.transaction() as session:
        merged = merge_themes(
            session,
            settings=site.settings,
            theme_id=pin.id,
            into_id=card.id,
            reason="One matter.",
            by=site.actor,
        ).id
    site.discover("CARD+PIN+LOST")
    site.accept(*site.parts(kind=PartKind.GREW))

    def undo_merge():
        with site.database.transaction() as session:
            undo_decision(session, settings=site.settings, decision_id=merged, by=site.actor)

    with pytest.raises(Conflict, match="was made anew from a run since"):
        undo_merge()
    take_back(site, "Card")
    undo_merge()
    assert themes_by_topic(site.database)["PIN"] == {pin.key}


def test_after_a_later_run_the_theme_gets_back_what_it_was_known_by(site):
    grew = grow(site)
    site.accept(grew)
    site.add(REFUND=8)
    site.discover("PIN", "REFUND")
    refund = theme_named(site.database, "Refund")

    take_back(site, "Our Card")

    where = themes_by_topic(site.database)
    assert where["CARD"] == {"T-001"}
    assert where["LOST"] == {None}
    assert where["REFUND"] == {refund.key}
    assert site.parts(id=grew.id)[0].state is PartState.SUPERSEDED


def test_what_was_built_on_it_is_undone_first(site):
    site.add(CARD=9, LOST=6, PIN=7)
    site.discover("CARD+LOST", "PIN")
    site.keep("Card+Lost")
    site.discover("CARD", "LOST", "PIN")
    site.accept(*site.parts(kind=PartKind.SPLIT))
    lost = theme_named(site.database, "Lost")
    with site.database.transaction() as session:
        dismissed = dismiss_candidate(session, theme_id=lost.id, reason="Old.", by=site.actor).id

    with pytest.raises(Conflict, match="T-003 has moved on since: it is retired"):
        take_back(site, "Our Card+Lost")
    with site.database.transaction() as session:
        undo_decision(session, settings=site.settings, decision_id=dismissed, by=site.actor)
    take_back(site, "Our Card+Lost")
    assert themes_by_topic(site.database)["LOST"] == {"T-001"}


def test_a_candidate_somebody_merged_stands_in_the_way(site):
    grew = grow(site)
    site.accept(grew)
    card, pin = theme_named(site.database, "Our Card"), theme_named(site.database, "Pin")
    with site.database.transaction() as session:
        merge_themes(
            session,
            settings=site.settings,
            theme_id=card.id,
            into_id=pin.id,
            reason="One matter.",
            by=site.actor,
        )
    with pytest.raises(Conflict, match=r"T-001 is merged now\. Undo that first\."):
        take_back(site, "Our Card")


def test_the_changes_of_a_theme_list_it_and_a_request_does_not_do_it(site):
    site.accept(grow(site))
    card = theme_named(site.database, "Our Card")
    with site.database.transaction() as session:
        first = list_changes(session, card.id)[0]
        assert (first.kind, first.contacts, first.became) == ("parts", 12, ("grew",))
        with pytest.raises(Conflict, match="by a job"):
            undo_change(session, settings=site.settings, change_id=first.id, by=site.actor)
    with pytest.raises(NotFound, match="took parts"):
        undo_parts(
            site.database.transaction,
            settings=site.settings,
            change_id=404,
            by=site.actor,
            maker=site.maker_of(),
        )


def test_a_power_failure_while_taking_back_leaves_everything_as_it_was(site):
    site.accept(grow(site))
    before = [*picture(site), rows_of(site.database, ThemeDefinition)]

    def dying(progress):
        if progress.doing.startswith("Bringing"):
            raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError):
        take_back(site, "Our Card", report=dying)
    assert [*picture(site), rows_of(site.database, ThemeDefinition)] == before
