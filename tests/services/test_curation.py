"""Moving, splitting, retiring, restoring: what people put right is kept, and can be taken back."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa

from closedloop.domain.actions import ActionStatus
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition, NotFound
from closedloop.domain.themes import ThemeStatus
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    ContactText,
    DailyRollup,
    DailySlice,
    DefinitionSet,
    Theme,
    ThemeChange,
    ThemeCorrection,
    ThemeDefinition,
    ThemeRun,
    ThemeStats,
)
from closedloop.queries.lineage import get_lineage
from closedloop.services.curation import (
    move_contacts,
    preview_move,
    preview_split,
    split_theme,
)
from closedloop.services.retiring import (
    preview_restore,
    preview_retire,
    restore_theme,
    retire_theme,
)
from closedloop.services.themes import (
    assign_contacts,
    describe_cause,
    describe_scenario,
    discover_themes,
    rename_theme,
)
from closedloop.services.triage import (
    accept_candidate,
    dismiss_candidate,
    merge_themes,
    park_theme,
    undo_decision,
)
from closedloop.services.undoing import undo_change
from tests.factories.histories import add_contacts, rows_of, theme_named, themes_by_topic
from tests.factories.theme_maker import Discoverer, make_maker
from tests.factories.themes import make_action, make_theme
from tests.services.test_triage import answers

TABLES = (Contact, ContactLink, DailyRollup, DailySlice, ThemeStats)


class Site:
    """A small history with its themes, and every change one can make to it."""

    def __init__(self, database, settings, actor):
        self.database, self.settings, self.actor = database, settings, actor
        self.discoverer = Discoverer()
        self.maker = make_maker(discover=self.discoverer)
        self.ids: dict[str, int] = {}

    def discover(self, **values):
        return discover_themes(
            self.database.transaction,
            settings=self.settings,
            by=self.actor,
            maker=self.maker,
            **values,
        )

    def assign(self, **values):
        return assign_contacts(
            self.database.transaction,
            settings=self.settings,
            by=self.actor,
            maker=self.maker,
            **values,
        )

    def contacts(self, words: str) -> list[int]:
        """Contacts whose text begins so, oldest first."""
        with self.database.reading() as session:
            return list(
                session.scalars(
                    sa.select(ContactText.contact_id)
                    .where(ContactText.issue_text.startswith(words))
                    .order_by(ContactText.contact_id)
                )
            )

    def _do(self, verb, **values):
        with self.database.transaction() as session:
            change = verb(session, by=self.actor, **values)
            return change.id

    def move(self, ids, source, to=None, **values):
        return self._do(
            move_contacts,
            settings=self.settings,
            theme_id=self.ids.get(source),
            contact_ids=ids,
            to_id=self.ids.get(to),
            **values,
        )

    def split(self, ids, source, name="Split off", **values):
        change = self._do(
            split_theme,
            settings=self.settings,
            theme_id=self.ids[source],
            contact_ids=ids,
            name=name,
            maker=self.maker,
            **values,
        )
        self.ids[name] = theme_named(self.database, name).id
        return change

    def retire(self, source, **values):
        return self._do(retire_theme, settings=self.settings, theme_id=self.ids[source], **values)

    def restore(self, source, **values):
        return self._do(restore_theme, settings=self.settings, theme_id=self.ids[source], **values)

    def merge(self, source, into):
        return self._do(
            merge_themes,
            settings=self.settings,
            theme_id=self.ids[source],
            into_id=self.ids[into],
            reason="Same.",
        )

    def undo(self, change_id):
        return self._do(undo_change, settings=self.settings, change_id=change_id, maker=self.maker)

    def undo_merge(self, decision_id):
        return self._do(undo_decision, settings=self.settings, decision_id=decision_id)

    def theme(self, name) -> Theme:
        with self.database.reading() as session:
            return session.get_one(Theme, self.ids[name])

    def held(self, name) -> set[str]:
        """Texts of the contacts in a theme; None asks for those in none."""
        with self.database.reading() as session:
            return set(
                session.scalars(
                    sa.select(ContactText.issue_text)
                    .join(Contact, Contact.id == ContactText.contact_id)
                    .where(Contact.theme_id.is_not_distinct_from(self.ids.get(name)))
                )
            )

    def snapshot(self):
        """Every byte of membership and of what is made from it, and who owns which label."""
        with self.database.reading() as session:
            current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current))
            owners = [(one.label_themes, one.model, one.encoder) for one in current]
            themes = session.execute(
                sa.select(Theme.id, Theme.name, Theme.status, Theme.cause, Theme.scenario)
                .where(Theme.status.not_in((ThemeStatus.RETIRED,)))
                .order_by(Theme.id)
            ).all()
        stats = [row for row in rows_of(self.database, ThemeStats) if row[2]]
        return [rows_of(self.database, table) for table in TABLES[:-1]], stats, owners, themes


@pytest.fixture
def site(database, settings, actor):
    """Three themes; each customer asks twice."""
    add_contacts(database, settings, {"CARD": 9, "REFUND": 8, "PIN": 7})
    found = Site(database, settings, actor)
    found.discover()
    found.ids = {name: theme_named(database, name).id for name in ("Card", "Refund", "Pin")}
    return found


@pytest.fixture
def mixed(database, settings, actor):
    """A theme of two things: ten customers say APPLE beside CARD, ten do not."""
    add_contacts(database, settings, {"CARD": 10, "REFUND": 8})
    add_contacts(database, settings, {"CARD APPLE apple pay wallet": 10}, tag="w")
    discoverer = Discoverer()
    found = Site(database, settings, actor)
    found.maker = make_maker(discover=_without(discoverer, "APPLE"))
    found.discover()
    found.ids = {name: theme_named(database, name).id for name in ("Card", "Refund")}
    return found


def _without(discoverer, word):
    def discover(texts, **values):
        return discoverer([text.replace(word, word.lower()) for text in texts], **values)

    return discover


def test_moved_contacts_are_counted_under_the_other_theme(site):
    ids = site.contacts("CARD a0") + site.contacts("CARD a1")

    site.move(ids, "Card", "Refund")

    assert site.held("Card") & {"CARD a0 turn0", "CARD a1 turn1"} == set()
    assert site.held("Refund") >= {"CARD a0 turn0", "CARD a1 turn1"}
    with site.database.reading() as session:
        counts = dict(
            session.execute(
                sa.select(DailyRollup.theme_id, sa.func.sum(DailyRollup.contacts)).group_by(
                    DailyRollup.theme_id
                )
            ).all()
        )
        same = session.scalar(
            sa.select(sa.func.sum(DailyRollup.same_7d)).where(
                DailyRollup.theme_id == site.ids["Refund"]
            )
        )
        assert session.get_one(ThemeStats, site.ids["Refund"]).contacts == 20
    assert counts == {site.ids["Card"]: 14, site.ids["Refund"]: 20, site.ids["Pin"]: 14}
    assert same == 10  # the two who asked about a card and asked again moved with both contacts


def test_not_this_theme_leaves_contacts_in_none(site):
    site.move(site.contacts("CARD a0"), "Card")
    assert site.held(None) == {"CARD a0 turn0", "CARD a0 turn1"}


def test_contacts_with_the_very_same_words_move_along_and_are_counted(site):
    with site.database.transaction() as session:
        text = session.get_one(ContactText, site.contacts("CARD a1")[0])
        first = session.get_one(ContactText, site.contacts("CARD a0")[0])
        text.issue_text, text.text_hash = first.issue_text, first.text_hash
    chosen = site.contacts("CARD a0 turn0")[:1]

    with site.database.reading() as session:
        preview = preview_move(
            session,
            theme_id=site.ids["Card"],
            contact_ids=chosen,
            to_id=site.ids["Pin"],
            k=2,
        )
    assert (preview.contacts, preview.chosen, preview.customers) == (2, 1, 2)
    site.move(chosen, "Card", "Pin")
    assert len(site.contacts("CARD a0 turn0")) == 2
    assert "CARD a0 turn0" in site.held("Pin")
    assert "CARD a0 turn0" not in site.held("Card")


def test_preview_of_a_move_counts_people_and_changes_nothing(site):
    before = site.snapshot()
    with site.database.reading() as session:
        given = {"theme_id": site.ids["Card"], "to_id": None}
        few = preview_move(session, contact_ids=site.contacts("CARD a0"), k=5, **given)
        many = preview_move(session, contact_ids=site.contacts("CARD"), k=5, **given)
    assert (few.contacts, few.customers, few.stays) == (2, None, 16)
    assert (many.contacts, many.customers, many.stays) == (18, 9, 0)
    assert site.snapshot() == before


def test_moves_that_make_no_sense_are_refused_with_a_sentence(site):
    card = site.contacts("CARD a0")
    with pytest.raises(Invalid, match="at least one"):
        site.move([], "Card", "Pin")
    with pytest.raises(Invalid, match="2 of the 4 contacts picked are not in T-"):
        site.move(card + site.contacts("PIN a0"), "Card", "Refund")
    with pytest.raises(Invalid, match="another one than they are in"):
        site.move(card, "Card", "Card")
    site.retire("Pin")
    with pytest.raises(InvalidTransition, match="takes no contacts"):
        site.move(card, "Card", "Pin")
    site.ids["nowhere"] = 404
    with pytest.raises(NotFound):
        site.move(card, "Card", "nowhere")


def test_more_than_a_hundred_contacts_need_their_number_typed(site, settings):
    add_contacts(site.database, settings, {"CARD": 50}, tag="b")
    site.assign()
    ids = site.contacts("CARD")
    assert len(ids) == 118
    for wrong in (None, 117):
        with pytest.raises(Invalid, match="Type 118") as refusal:
            site.move(ids, "Card", "Pin", typed_count=wrong)
        assert list(refusal.value.fields) == ["typed_count"]
        with pytest.raises(Invalid, match="Type 118 to retire"):
            site.retire("Card", typed_count=wrong)
    site.retire("Card", typed_count=118)
    with pytest.raises(Invalid, match="Type 118 to restore"):
        site.restore("Card")
    site.restore("Card", typed_count=118)
    site.move(ids, "Card", "Pin", typed_count=118)
    assert site.held("Card") == set()


def test_a_move_stands_in_every_later_round_and_run(site, settings):
    site.move(site.contacts("CARD a0"), "Card", "Refund")
    site.move(site.contacts("PIN a0"), "Pin")
    moved, out = {"CARD a0 turn0", "CARD a0 turn1"}, {"PIN a0 turn0", "PIN a0 turn1"}
    add_contacts(site.database, settings, {"LOGIN": 9, "CARD": 2}, tag="a")  # the same words again

    for round_of_work in (site.assign, lambda: site.assign(everything=True), site.discover):
        round_of_work()
        assert site.held("Refund") >= moved, round_of_work
        assert not site.held("Card") & moved
        assert site.held(None) & out == out
        assert "PIN a1 turn0" in site.held("Pin")
    assert theme_named(site.database, "Login").status is ThemeStatus.CANDIDATE


def test_a_contact_whose_text_has_expired_stays_where_it_was_said_to_belong(site):
    ids = site.contacts("CARD a0")
    site.move(ids, "Card", "Refund")
    with site.database.transaction() as session:
        session.execute(sa.delete(ContactText).where(ContactText.contact_id.in_(ids)))
    site.discover()
    site.assign(everything=True)
    with site.database.reading() as session:
        at = session.scalars(sa.select(Contact.theme_id).where(Contact.id.in_(ids))).all()
    assert at == [site.ids["Refund"]] * 2


def test_who_was_moved_to_what_is_merged_goes_along_and_back(site):
    before = site.snapshot()
    move = site.move(site.contacts("CARD a0"), "Card", "Pin")
    after_move = site.snapshot()
    merge = site.merge("Pin", "Refund")
    assert site.held("Refund") >= {"CARD a0 turn0", "PIN a0 turn0"}
    site.assign(everything=True)
    assert site.held("Refund") >= {"CARD a0 turn0", "PIN a0 turn0"}
    site.undo_merge(merge)
    assert site.held("Pin") >= {"CARD a0 turn0", "PIN a0 turn0"}
    assert site.snapshot() == after_move
    site.undo(move)
    assert site.snapshot() == before


def test_who_was_moved_from_what_is_merged_in_later_stays_when_that_is_undone(site):
    site.move(site.contacts("PIN a0"), "Pin", "Card")
    after_move = site.snapshot()
    merge = site.merge("Pin", "Card")
    site.undo_merge(merge)
    assert site.snapshot() == after_move
    assert "PIN a0 turn0" in site.held("Card")


def test_undoing_a_move_restores_every_byte_and_frees_the_words(site, settings):
    before = site.snapshot()
    change = site.move(site.contacts("CARD a0"), "Card", "Refund")
    assert site.snapshot() != before
    site.undo(change)
    assert site.snapshot() == before
    site.assign(everything=True)
    assert site.snapshot() == before


def test_undoing_a_move_is_refused_once_something_else_was_said(site):
    first = site.move(site.contacts("CARD a0"), "Card", "Refund")
    other = site.move(site.contacts("CARD a1"), "Card", "Refund")
    second = site.move(site.contacts("CARD a0 turn0"), "Refund", "Pin")
    with pytest.raises(Conflict, match="said something else"):
        site.undo(first)
    site.undo(other)
    site.undo(second)
    site.undo(first)
    with pytest.raises(Conflict, match="undone already"):
        site.undo(first)
    with pytest.raises(NotFound):
        site.undo(404)


def test_split_takes_along_what_is_like_the_examples_and_waits_for_triage(mixed):
    examples = mixed.contacts("CARD APPLE apple pay wallet w0")
    with mixed.database.reading() as session:
        preview = preview_split(
            session, theme_id=mixed.ids["Card"], contact_ids=examples, k=5, maker=mixed.maker
        )
    assert (preview.contacts, preview.chosen, preview.customers, preview.stays) == (20, 2, 10, 20)

    change = mixed.split(examples, "Card", "Apple Pay")

    assert mixed.held("Apple Pay") == {
        f"CARD APPLE apple pay wallet w{n} turn{turn}" for n in range(10) for turn in range(2)
    }
    assert len(mixed.held("Card")) == 20
    new = mixed.theme("Apple Pay")
    assert (new.status, new.is_named_by_person, new.key) == (ThemeStatus.CANDIDATE, True, "T-003")
    with mixed.database.reading() as session:
        noted = session.get_one(ThemeChange, change)
        assert (noted.theme_id, noted.other_id, noted.contacts) == (mixed.ids["Card"], new.id, 20)
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
        label = current.label_themes.index(new.id)
        defined = session.scalars(
            sa.select(ThemeDefinition).where(ThemeDefinition.definition_set_id == current.id)
        ).all()
        assert {(d.theme_id, tuple(d.labels)) for d in defined} == {
            (new.id, (label,)),
            (mixed.ids["Card"], (current.label_themes.index(mixed.ids["Card"]),)),
        }
        verbs = session.scalars(sa.select(AuditEvent.verb).where(AuditEvent.verb.like("%split%")))
        assert list(verbs) == ["themes.split"] * 2


def test_split_is_a_rule_for_contacts_that_come_later_and_for_every_run(mixed, settings):
    mixed.split(mixed.contacts("CARD APPLE apple pay wallet w0"), "Card", "Apple Pay")
    mixed.assign(everything=True)
    assert (len(mixed.held("Apple Pay")), len(mixed.held("Card"))) == (20, 20)
    add_contacts(
        mixed.database, settings, {"CARD APPLE apple pay wallet": 3, "LOGIN": 9}, tag="new"
    )
    mixed.assign()
    assert len(mixed.held("Apple Pay")) == 26
    mixed.discover()
    assert (len(mixed.held("Apple Pay")), len(mixed.held("Card"))) == (26, 20)
    assert theme_named(mixed.database, "Login")


def test_undoing_a_split_restores_every_byte(mixed):
    before = mixed.snapshot()
    change = mixed.split(mixed.contacts("CARD APPLE apple pay wallet w0"), "Card", "Apple Pay")
    mixed.undo(change)
    assert mixed.snapshot() == before
    assert mixed.theme("Apple Pay").status is ThemeStatus.RETIRED


def test_undoing_a_split_after_a_later_run_gives_the_contacts_back(mixed, settings):
    change = mixed.split(mixed.contacts("CARD APPLE apple pay wallet w0"), "Card", "Apple Pay")
    add_contacts(mixed.database, settings, {"LOGIN": 30}, tag="new")
    mixed.discover()
    mixed.undo(change)
    assert (len(mixed.held("Card")), mixed.held("Apple Pay")) == (40, set())
    before = mixed.snapshot()
    mixed.assign(everything=True)
    assert mixed.snapshot() == before


def test_undoing_a_split_is_refused_when_something_was_built_on_it(mixed, actor):
    examples = mixed.contacts("CARD APPLE apple pay wallet w0")
    change = mixed.split(examples, "Card", "Apple Pay")
    moved = mixed.move(mixed.contacts("REFUND a0"), "Refund", "Apple Pay")
    with pytest.raises(Conflict, match="given or taken contacts since, by Priya Nair"):
        mixed.undo(change)
    mixed.undo(moved)
    merge = mixed.merge("Refund", "Apple Pay")
    with pytest.raises(Conflict, match=r"decided on since \(merged"):
        mixed.undo(change)
    mixed.undo_merge(merge)
    again = mixed.split(_half(mixed, "CARD a"), "Card", "Half")
    with pytest.raises(Conflict, match="was split since"):
        mixed.undo(change)
    mixed.undo(again)
    with mixed.database.transaction() as session:
        make_action(session, session.get_one(Theme, mixed.ids["Apple Pay"]))
    with pytest.raises(Conflict, match="was proposed for T-003 since"):
        mixed.undo(change)


def _half(site, words):
    """Contacts of five customers: enough people for a theme of their own."""
    return [contact for n in range(5) for contact in site.contacts(f"{words}{n}")]


def test_a_merge_is_not_taken_apart_once_its_theme_was_split(mixed):
    merge = mixed.merge("Refund", "Card")
    split = mixed.split(mixed.contacts("REFUND a0"), "Card", "Refunds again")
    assert len(mixed.held("Refunds again")) == 16  # all that the label of the merged theme holds
    with pytest.raises(Conflict, match="was split since, by Priya Nair"):
        mixed.undo_merge(merge)
    mixed.undo(split)
    mixed.undo_merge(merge)
    assert len(mixed.held("Refund")) == 16


def test_splits_that_make_no_sense_are_refused_with_a_sentence(mixed, session):
    with pytest.raises(Invalid, match="at least one"):
        mixed.split([], "Card", "x")
    with pytest.raises(Invalid, match="a name"):
        mixed.split(mixed.contacts("CARD a0"), "Card", "  ")
    with pytest.raises(Invalid, match="nothing would be left"):
        mixed.split(mixed.contacts("REFUND"), "Refund", "x")
    with pytest.raises(Invalid, match="not in T-"):
        mixed.split(mixed.contacts("REFUND a0"), "Card", "x")
    mixed.move(mixed.contacts("CARD a0"), "Card", "Refund")
    mixed.retire("Card")
    with pytest.raises(InvalidTransition, match="nothing to split"):
        mixed.split(mixed.contacts("CARD a1"), "Card", "x")


def test_a_split_that_would_describe_few_people_is_refused(mixed, settings):
    with pytest.raises(Invalid, match="fewer than 5 customers"):
        mixed.split(mixed.contacts("REFUND a0"), "Refund", "One customer")


def test_retiring_frees_the_contacts_and_no_run_proposes_them_again(site, settings):
    with site.database.reading() as session:
        preview = preview_retire(session, theme_id=site.ids["Pin"], k=5)
    assert (preview.contacts, preview.customers, preview.stays) == (14, 7, 0)

    site.retire("Pin")

    assert site.theme("Pin").status is ThemeStatus.RETIRED
    assert len(site.held(None)) == 14
    add_contacts(site.database, settings, {"PIN": 3, "LOGIN": 9}, tag="new")
    site.discover()
    assert len(site.held(None)) == 20
    site.discover()
    assert themes_by_topic(site.database)["PIN"] == {None}
    assert themes_by_topic(site.database)["LOGIN"] != {None}


def test_restoring_brings_back_the_theme_with_what_came_since(site, settings):
    site.retire("Pin")
    add_contacts(site.database, settings, {"PIN": 3, "LOGIN": 9}, tag="new")
    site.discover()
    with site.database.reading() as session:
        preview = preview_restore(session, theme_id=site.ids["Pin"], k=5)
    assert (preview.contacts, preview.customers) == (20, 10)

    site.restore("Pin")

    assert (len(site.held("Pin")), site.held(None)) == (20, set())
    assert site.theme("Pin").status is ThemeStatus.CANDIDATE
    before = site.snapshot()
    site.assign(everything=True)
    assert site.snapshot() == before


def test_retiring_and_restoring_are_undone_to_the_byte(site):
    site.move(site.contacts("CARD a0"), "Card", "Pin")
    before = site.snapshot()
    retire = site.retire("Pin")
    after_retire = site.snapshot()
    assert "CARD a0 turn0" in site.held(None)
    site.undo(retire)
    assert site.snapshot() == before
    site.retire("Pin")
    restore = site.restore("Pin")
    assert site.snapshot() == before
    site.undo(restore)
    assert site.snapshot() == after_retire
    site.restore("Pin")
    assert site.snapshot() == before


def test_a_theme_that_is_worked_on_or_was_not_retired_by_hand_is_refused(site):
    with site.database.transaction() as session:
        theme = session.get_one(Theme, site.ids["Pin"])
        theme.status = ThemeStatus.TRIAGED
        action = make_action(session, theme)
    with pytest.raises(Conflict, match=action.key):
        site.retire("Pin")
    with site.database.transaction() as session:
        session.get_one(Theme, site.ids["Pin"]).status = ThemeStatus.MEASURING
    with pytest.raises(InvalidTransition, match="being measured"):
        site.retire("Pin")
    with pytest.raises(InvalidTransition, match="is in use"):
        site.restore("Card")
    with site.database.transaction() as session:
        site.ids["Old"] = make_theme(session, ThemeStatus.RETIRED, key="T-900").id
    with pytest.raises(InvalidTransition, match="not retired by hand"):
        site.restore("Old")


def test_measured_actions_are_named_before_their_contacts_move(site):
    with site.database.transaction() as session:
        theme = session.get_one(Theme, site.ids["Card"])
        key = make_action(session, theme, ActionStatus.SHIPPED).key
        open_key = make_action(session, theme, ActionStatus.AGREED).key
    with site.database.reading() as session:
        moved = preview_move(
            session,
            theme_id=site.ids["Card"],
            contact_ids=site.contacts("CARD a0"),
            to_id=site.ids["Pin"],
            k=5,
        )
    assert len(moved.notes) == 1
    assert f"The effect of {key} is measured" in moved.notes[0]
    assert open_key not in moved.notes[0]


def test_descriptions_can_be_taken_back_until_they_change_again(site, actor):
    with site.database.transaction() as session:
        session.get_one(Theme, site.ids["Card"]).status = ThemeStatus.TRIAGED
    before = site.snapshot()
    with site.database.transaction() as session:
        given = {"session": session, "theme_id": site.ids["Card"], "by": actor}
        rename_theme(**given, name="Cards come late")
        describe_scenario(**given, scenario="The card does not come, so people call.")
        describe_cause(**given, cause="The plant prints weekly.")
        changes = list(session.scalars(sa.select(ThemeChange.id).order_by(ThemeChange.id)))
        rename_theme(**given, name="Cards")
    assert site.theme("Card").status is ThemeStatus.CAUSE_KNOWN
    with pytest.raises(Conflict, match="name of T-001 was changed again"):
        site.undo(changes[0])
    with site.database.reading() as session:
        newest = session.scalar(sa.select(sa.func.max(ThemeChange.id)))
    for change in (newest, *reversed(changes)):
        site.undo(change)
    assert site.snapshot() == before
    assert not site.theme("Card").is_named_by_person


@pytest.mark.parametrize("out_of_the_way", ["retire", "park", "merge"])
def test_a_theme_is_not_left_with_a_known_cause_once_its_cause_was_taken_back(
    site, actor, out_of_the_way
):
    given = {"theme_id": site.ids["Card"]}
    before = site.snapshot()
    with site.database.transaction() as session:
        told = answers(session)
        accepted = accept_candidate(session, by=actor, **given, **told).id
        accept_candidate(session, by=actor, theme_id=site.ids["Refund"], **told)
        describe_cause(session, by=actor, cause="The plant prints weekly.", **given)
        cause = session.scalars(sa.select(sa.func.max(ThemeChange.id))).one()
    if out_of_the_way == "retire":
        back = site.undo, site.retire("Card")
    elif out_of_the_way == "merge":
        back = site.undo_merge, site.merge("Card", "Refund")
    else:
        days = {"until": date(2026, 6, 1), "today": date(2026, 5, 1)}
        back = site.undo_merge, site._do(park_theme, reason="Not now.", **given, **days)

    site.undo(cause)
    undo, number = back
    undo(number)

    assert (site.theme("Card").status, site.theme("Card").cause) == ("triaged", "")
    site.undo_merge(accepted)
    assert site.snapshot()[0] == before[0]
    assert site.theme("Card").status is ThemeStatus.CANDIDATE


def test_texts_go_back_in_any_order_also_past_a_decision_that_wrote_them(site, actor):
    before = site.snapshot()
    given = {"theme_id": site.ids["Card"]}
    with site.database.transaction() as session:
        told = answers(session, scenario="The card does not come.", name="Cards")
        accepted = accept_candidate(session, by=actor, **given, **told).id
    with site.database.transaction() as session:
        rename_theme(session, by=actor, name="Late cards", **given)
        describe_scenario(session, by=actor, scenario="The card comes too late.", **given)
        newest = sa.select(ThemeChange.id).order_by(ThemeChange.id.desc())
        scenario, name = session.scalars(newest.limit(2))

    site.undo_merge(accepted)
    assert (site.theme("Card").name, site.theme("Card").status) == ("Late cards", "candidate")
    site.undo(name)
    site.undo(scenario)

    assert site.snapshot() == before
    assert not site.theme("Card").is_named_by_person


def test_names_taken_back_in_any_order_get_nowhere_stuck(site, actor):
    before = site.snapshot()
    changes = []
    for name in ("Cards", "Lost cards", "Cards"):
        with site.database.transaction() as session:
            rename_theme(session, theme_id=site.ids["Card"], name=name, by=actor)
            changes.append(session.scalar(sa.select(sa.func.max(ThemeChange.id))))
    for early in changes[:2]:
        with pytest.raises(Conflict, match="changed again since, by Priya Nair"):
            site.undo(early)
    for change in reversed(changes):
        site.undo(change)
    assert site.snapshot() == before


def test_a_name_that_a_decision_gave_since_is_not_overwritten(site, actor):
    with site.database.transaction() as session:
        rename_theme(session, theme_id=site.ids["Card"], name="Cards", by=actor)
        change = session.scalar(sa.select(sa.func.max(ThemeChange.id)))
        given = answers(session, name="Post")
        decision = accept_candidate(session, theme_id=site.ids["Card"], by=actor, **given).id
    with pytest.raises(Conflict, match="when it was accepted by Priya Nair"):
        site.undo(change)
    site.undo_merge(decision)
    site.undo(change)
    assert site.theme("Card").name == "Card"


def test_every_change_writes_events_and_rows_that_name_who(site, actor):
    change = site.move(site.contacts("CARD a0"), "Card", "Refund")
    site.undo(change)
    with site.database.reading() as session:
        noted = session.get_one(ThemeChange, change)
        assert (noted.changed_by, noted.undone_by) == ("Priya Nair", "Priya Nair")
        assert noted.undone_at is not None
        events = session.execute(
            sa.select(AuditEvent.verb, AuditEvent.target_id).order_by(AuditEvent.id)
        ).all()
        rows = session.execute(
            sa.select(ThemeCorrection.theme_id, ThemeCorrection.belongs).distinct()
        ).all()
        assert all(row.taken_back_at for row in session.scalars(sa.select(ThemeCorrection)))
    card, refund = site.ids["Card"], site.ids["Refund"]
    assert events[-4:] == [
        ("themes.contacts_moved", card),
        ("themes.contacts_moved", refund),
        ("themes.change_undone", card),
        ("themes.change_undone", refund),
    ]
    assert set(rows) == {(card, False), (refund, True)}


def test_a_run_says_which_corrections_it_honoured(site):
    site.move(site.contacts("CARD a0"), "Card", "Refund")
    site.move(site.contacts("PIN a0"), "Pin")
    site.move(site.contacts("CARD a1 turn0"), "Card", "Pin")
    site.retire("Pin")
    site.discover()
    with site.database.reading() as session:
        runs = session.scalars(sa.select(ThemeRun).order_by(ThemeRun.id)).all()
    assert runs[0].manifest["corrections"]["said"] == 0
    told = runs[-1].manifest["corrections"]
    # PIN is retired, so nothing can be asked of the run about the two that do not belong there,
    # nor about the one that does. What the double finds goes by the first word: three of CARD
    # are with CARD all the same, and two that belong to REFUND are not with REFUND.
    assert (told["said"], told["honoured"], told["ids"]) == (8, 0, [])
    assert told["missed_by"] == {"apart": 2, "theme_gone": 3, "together": 3}
    assert told["sentence"] == "honoured 0 of 8 corrections"


def lineage_of(site, name):
    with site.database.reading() as session:
        theme = session.get_one(Theme, site.ids[name])
        return [step.kind.value for step in get_lineage(session, theme)]


def ends_of(site, name):
    """Its ends and returns, without the definitions it got meanwhile."""
    return [step for step in lineage_of(site, name) if step not in ("born", "continued")]


def test_lineage_leaves_out_ends_that_were_taken_back(site):
    change = site.retire("Pin")
    told = [ends_of(site, "Pin")]
    site.undo(change)
    told.append(ends_of(site, "Pin"))
    site.retire("Pin")
    change = site.restore("Pin")
    told.append(ends_of(site, "Pin"))
    site.undo(change)
    told.append(ends_of(site, "Pin"))
    assert told == [["retired"], [], ["retired", "restored"], ["retired"]]


def test_lineage_leaves_out_a_dismissal_that_was_taken_back(site, actor):
    decided = []
    for _ in range(2):
        with site.database.transaction() as session:
            number = dismiss_candidate(
                session, theme_id=site.ids["Pin"], reason="Of no interest.", by=actor
            ).id
        decided.append(lineage_of(site, "Pin"))
        with site.database.transaction() as session:
            undo_decision(session, settings=site.settings, decision_id=number, by=actor)
        decided.append(lineage_of(site, "Pin"))
    assert decided == [["born", "retired"], ["born"]] * 2


def test_lineage_of_a_piece_ends_where_its_split_was_taken_back(mixed):
    change = mixed.split(mixed.contacts("CARD APPLE apple pay wallet w0"), "Card", "Apple Pay")
    assert lineage_of(mixed, "Apple Pay") == ["split from"]
    assert "split off" in lineage_of(mixed, "Card")
    mixed.undo(change)
    assert lineage_of(mixed, "Apple Pay") == ["split from", "retired"]
    assert "split off" not in lineage_of(mixed, "Card")
