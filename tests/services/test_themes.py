"""Discovery and assignment: what people decided stands, and numbers are never mixed."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Conflict, Invalid, InvalidTransition
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    DailyRollup,
    DefinitionSet,
    Theme,
    ThemeDefinition,
    ThemeEvidence,
    ThemeLikeness,
    ThemeRun,
    ThemeStats,
)
from closedloop.queries.themes import get_theme_page
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from closedloop.services.text_removal import remove_texts
from closedloop.services.theme_stats import renew_stats_of_last_day
from closedloop.services.themes import (
    assign_contacts,
    describe_cause,
    discover_themes,
    refresh_theme_stats,
    rename_theme,
)
from closedloop.services.triage import accept_candidate, dismiss_candidate, merge_themes
from tests.factories.accounts import make_department
from tests.factories.contacts import make_contact, make_customer
from tests.factories.histories import (
    START,
    add_contacts,
    rows_of,
    theme_named,
    themes_by_topic,
)
from tests.factories.theme_maker import Discoverer, WordEncoder, make_maker
from tests.factories.themes import make_theme

TOPICS = {"CARD": 9, "REFUND": 8, "PIN": 7}


@pytest.fixture
def maker():
    return make_maker()


@pytest.fixture
def discover(database, settings, actor, maker):
    def run(**values):
        given = {"maker": maker, "settings": settings, "by": actor, **values}
        return discover_themes(database.transaction, **given)

    return run


@pytest.fixture
def history(database, settings):
    add_contacts(database, settings, TOPICS)


def accept(session, theme_id, actor, **values):
    answers = {
        "name": "Cards come late",
        "scenario": "The card does not come, so customers call.",
        "demand_type": DemandType.FAILURE,
        "customer_values": False,
        "company_values": False,
        "strategy": Strategy.ELIMINATE,
        **values,
    }
    if "department_id" not in answers:
        answers["department_id"] = make_department(session).id
    return accept_candidate(session, theme_id=theme_id, by=actor, **answers)


def scalar(database, query):
    with database.reading() as session:
        return session.scalar(query)


def scalars(database, query):
    with database.reading() as session:
        return list(session.scalars(query))


def test_discovery_proposes_candidates_and_brings_all_contacts_under_them(
    database, settings, history, discover
):
    with database.transaction() as session:
        make_contact(session, customer=make_customer(session), text=None)
        make_contact(session, customer=make_customer(session), text="something else entirely")

    result = discover()

    assert (result.texts, result.found, result.candidates, result.left_over) == (49, 3, 3, 1)
    assert themes_by_topic(database) == {
        "CARD": {"T-001"},
        "REFUND": {"T-002"},
        "PIN": {"T-003"},
        "something": {None},
    }
    theme = theme_named(database, "Card")
    assert (theme.status, theme.keywords, theme.run_id) == (
        ThemeStatus.CANDIDATE,
        ["card"],
        result.run_id,
    )
    silent = sa.select(Contact.cluster).where(
        ~sa.exists().where(ContactText.contact_id == Contact.id)
    )
    assert scalars(database, silent) == [-1]
    assert scalar(database, sa.select(sa.func.count(Contact.id)).where(Contact.cluster == -1)) == 2


def test_discovery_renews_chains_roll_up_and_figures_with_the_themes(database, history, discover):
    discover()

    theme = theme_named(database, "Card")
    same = sa.select(sa.func.sum(DailyRollup.same_7d)).where(DailyRollup.theme_id == theme.id)
    assert scalar(database, same) == 9
    with database.reading() as session:
        stats = session.get_one(ThemeStats, theme.id)
    assert (stats.contacts, stats.customers) == (18, 9)


def test_discovery_makes_one_set_with_a_definition_for_each_theme(database, history, discover):
    discover()

    with database.reading() as session:
        current = session.scalars(sa.select(DefinitionSet)).one()
        definitions = session.scalars(sa.select(ThemeDefinition).order_by(ThemeDefinition.id)).all()
        assert (current.number, current.is_current, current.encoder) == (1, True, "words@1")
        assert current.assigned_at is not None
        assert current.label_themes == [definition.theme_id for definition in definitions]
        assert [(d.number, d.labels) for d in definitions] == [(1, [0]), (1, [1]), (1, [2])]


def test_discovery_writes_an_event_for_the_run_and_for_each_theme(database, history, discover):
    discover()

    verbs = scalars(database, sa.select(AuditEvent.verb).order_by(AuditEvent.verb))
    assert verbs == ["themes.discovered"] + 3 * ["themes.found"]


def test_manifest_says_what_was_read_and_how_to_repeat_it(database, history, discover):
    discover(seed=5)

    run = scalars(database, sa.select(ThemeRun))[0]
    assert run.manifest["read"] == "all contacts"
    assert run.manifest["note"].startswith("Fewer than 300 repeat contacts")
    assert run.manifest["parameters"] == {"resolution": 1.5, "seed": 5}
    assert run.manifest["coverage"] == {"contacts_with_text": 48, "contacts_with_theme": 48}
    assert run.manifest["versions"]["numpy"]
    assert (run.first_day, run.last_day) == (date(2025, 9, 10), date(2026, 3, 8))
    assert run.finished_at is not None


def test_discovery_reads_only_repeats_when_there_are_enough(database, settings, discover):
    add_contacts(database, settings, {"CARD": 150})
    add_contacts(database, settings, {"REFUND": 40}, contacts_each=1, tag="once")

    result = discover()

    assert result.texts == 300
    assert themes_by_topic(database) == {"CARD": {"T-001"}, "REFUND": {None}}
    assert scalars(database, sa.select(ThemeRun))[0].manifest["read"] == "repeat contacts"


def test_discovery_reads_only_the_days_asked_for(database, settings, history, discover):
    add_contacts(database, settings, {"LOGIN": 8}, start=START + timedelta(days=40), tag="late")

    result = discover(first_day=START.date() + timedelta(days=40))

    assert (result.texts, result.found) == (16, 1)
    assert themes_by_topic(database)["CARD"] == {None}


def test_discovery_without_text_in_the_days_says_so(history, discover):
    with pytest.raises(Invalid, match=r"from 1 January 2024 to 31 January 2024, .* holds what"):
        discover(first_day=date(2024, 1, 1), last_day=date(2024, 1, 31))


def test_discovery_where_nobody_said_anything_says_what_to_import(database, discover):
    with database.transaction() as session:
        make_contact(session, text=None)
        make_contact(session, text="")

    with pytest.raises(Invalid, match=r"no contact here holds any\. Import"):
        discover()


def test_discovery_without_contacts_says_so(discover):
    with pytest.raises(Invalid, match="Import contacts first"):
        discover()


def test_same_data_and_seed_give_the_same_themes(database, settings, history, actor):
    discoverer = Discoverer()
    runs = []
    for seed in (3, 3, 4):
        maker = make_maker(discover=discoverer)
        discover_themes(
            database.transaction, settings=settings, by=actor, seed=seed, sample=30, maker=maker
        )
        runs.append(rows_of(database))
    drawn = [call["texts"] for call in discoverer.calls]
    assert len(drawn[0]) == 30
    assert drawn[0] == drawn[1] != drawn[2]
    without_labels = [[row[:16] for row in rows] for rows in runs]
    assert without_labels[0] == without_labels[1]


def test_each_distinct_text_is_encoded_once_over_all_runs(database, settings, actor):
    encoder = WordEncoder()
    add_contacts(database, settings, {"CARD": 6})
    add_contacts(database, settings, {"CARD": 6})  # the same words again

    for _ in range(2):
        discover_themes(
            database.transaction, settings=settings, by=actor, maker=make_maker(encoder)
        )

    assert sorted(encoder.encoded) == sorted(f"card a{n} turn{t}" for n in range(6) for t in (0, 1))


def test_untouched_candidate_keeps_id_and_name_when_found_again(
    database, settings, history, discover
):
    discover()
    card = theme_named(database, "Card")
    add_contacts(database, settings, {"PIN": 20, "CARD": 1}, tag="b")

    discover()

    assert themes_by_topic(database)["CARD"] == {"T-001"}
    with database.reading() as session:
        numbers = session.scalars(
            sa.select(ThemeDefinition.number)
            .where(ThemeDefinition.theme_id == card.id)
            .order_by(ThemeDefinition.number)
        ).all()
        assert session.get_one(Theme, card.id).name == "Card"
        assert scalar(database, sa.select(sa.func.count(Theme.id))) == 3
    assert numbers == [1, 2]


def test_candidate_that_is_not_found_again_is_retired_and_its_key_is_not_given_again(
    database, settings, history, discover
):
    discover()
    add_contacts(database, settings, {"LOGIN": 9}, start=START + timedelta(days=60), tag="b")

    discover(first_day=START.date() + timedelta(days=60))

    assert {theme.key: theme.status for theme in scalars(database, sa.select(Theme))} == {
        "T-001": ThemeStatus.RETIRED,
        "T-002": ThemeStatus.RETIRED,
        "T-003": ThemeStatus.RETIRED,
        "T-004": ThemeStatus.CANDIDATE,
    }
    assert themes_by_topic(database)["CARD"] == {None}
    retired = sa.select(sa.func.count()).where(AuditEvent.verb == "themes.retired")
    assert scalar(database, retired) == 3


def test_what_people_decided_survives_a_run_on_new_data(
    database, settings, actor, history, discover, maker
):
    add_contacts(database, settings, {"LOGIN": 6, "FEE": 6, "LOAN": 6}, tag="more")
    discover()
    names = ("Card", "Refund", "Pin", "Login", "Fee", "Loan")
    ids = {name: theme_named(database, name).id for name in names}
    with database.transaction() as session:
        accept(session, ids["Card"], actor)
        rename_theme(session, theme_id=ids["Refund"], name="Where is my refund", by=actor)
        merge_themes(
            session,
            settings=settings,
            theme_id=ids["Pin"],
            into_id=ids["Card"],
            reason="Same cause.",
            by=actor,
        )
        dismiss_candidate(session, theme_id=ids["Login"], reason="A known outage.", by=actor)
        merge_themes(
            session,
            settings=settings,
            theme_id=ids["Fee"],
            into_id=ids["Loan"],
            reason="One product.",
            by=actor,
        )
    before = rows_of(database, Theme)
    definitions = rows_of(database, ThemeDefinition)
    where = themes_by_topic(database)

    add_contacts(
        database,
        settings,
        {"ATM": 30, "LOGIN": 12, "PIN": 1, "FEE": 3, "REFUND": 25, "CARD": 2},
        tag="new",
        start=START + timedelta(days=9),
    )
    discover(seed=9)

    after = rows_of(database, Theme)
    assert after[: len(before)] == before
    assert [row[2] for row in after[len(before) :]] == ["Atm"]
    new = rows_of(database, ThemeDefinition)
    assert new[: len(definitions)] == definitions
    assert [row[1] for row in new[len(definitions) :]] == [after[-1][0]]
    assert themes_by_topic(database) == {**where, "ATM": {after[-1][1]}}
    assert where["PIN"] == where["CARD"]
    assert where["FEE"] == where["LOAN"]


def test_texts_of_decided_themes_are_set_aside_before_discovery(database, settings, actor, history):
    discoverer = Discoverer()
    maker = make_maker(discover=discoverer)
    for _ in range(2):
        discover_themes(database.transaction, settings=settings, by=actor, maker=maker)
        card = theme_named(database, "Card" if _ == 0 else "Cards come late")
        if card.status is ThemeStatus.CANDIDATE:
            with database.transaction() as session:
                accept(session, card.id, actor)
    assert not any(text.startswith("CARD") for text in discoverer.calls[1]["texts"])
    manifest = scalars(database, sa.select(ThemeRun).order_by(ThemeRun.id))[1].manifest
    assert manifest["claimed_by_decided_themes"] == 18
    assert manifest["themes"]["contacts_that_left_decided_themes"] == 0


def test_decision_taken_while_discovery_runs_is_kept(database, settings, actor, history, discover):
    discover()
    pin = theme_named(database, "Pin")
    found = Discoverer()

    def interrupted(texts, **values):
        if not found.calls:
            with database.transaction() as session:
                rename_theme(session, theme_id=pin.id, name="Blocked PIN", by=actor)
        return found(texts, **values)

    add_contacts(database, settings, {"LOGIN": 9}, start=START + timedelta(days=60), tag="b")
    discover(maker=make_maker(discover=interrupted), first_day=START.date() + timedelta(days=60))

    assert theme_named(database, "Blocked PIN").status is ThemeStatus.CANDIDATE
    assert themes_by_topic(database)["PIN"] == {pin.key}
    assert len(found.calls) == 2


def test_error_before_the_last_commit_leaves_everything_as_it_was(
    database, settings, actor, history, discover, maker
):
    discover()
    add_contacts(database, settings, {"LOGIN": 9}, tag="b")
    with database.transaction() as session:
        # So that the run itself has nothing to assign before its last step.
        session.execute(sa.update(Contact).where(Contact.cluster.is_(None)).values(cluster=-1))
    tables = (Contact, DailyRollup, Theme, ThemeStats, ThemeDefinition, ThemeEvidence, AuditEvent)
    before = [rows_of(database, table) for table in (*tables, ThemeRun)]
    sets = scalars(database, sa.select(DefinitionSet.id).where(DefinitionSet.is_current))

    @contextmanager
    def failing():
        with database.transaction() as session:
            yield session
            if session.scalar(sa.select(sa.func.count(ThemeRun.id))) == 2:
                raise RuntimeError("the power went off")

    with pytest.raises(RuntimeError, match="power"):
        discover_themes(failing, settings=settings, by=actor, maker=maker)

    assert [rows_of(database, table) for table in (*tables, ThemeRun)] == before
    assert scalars(database, sa.select(DefinitionSet.id)) == sets
    assert discover().found == 4  # and a second run goes through


def test_encoding_goes_on_where_it_stopped(database, settings, actor, history):
    class Failing(WordEncoder):
        def encode(self, texts):
            if len(self.encoded) >= 40:
                raise RuntimeError("the power went off")
            return super().encode(texts)

    from closedloop.services.encoding import encode_texts
    from closedloop.services.long_work import tell_nobody

    encoder = Failing()
    with pytest.raises(RuntimeError):
        encode_texts(database.transaction, encoder=encoder, report=tell_nobody, chunk=20)
    rest = WordEncoder()
    done = encode_texts(database.transaction, encoder=rest, report=tell_nobody, chunk=20)
    assert (done, len(encoder.encoded)) == (8, 40)
    assert not set(rest.encoded) & set(encoder.encoded)


def test_cluster_of_too_few_customers_is_not_proposed(database, settings, discover):
    add_contacts(database, settings, {"CARD": 5, "SECRET": 4}, contacts_each=3)

    result = discover()

    assert (result.found, result.candidates) == (2, 1)
    assert themes_by_topic(database) == {"CARD": {"T-001"}, "SECRET": {None}}


def test_a_new_candidate_needs_one_in_two_hundred_customers(database, settings, discover):
    topics = {"CARD": 400, "SECRET": 2, "PIN": 3}
    add_contacts(database, settings, topics, contacts_each=1)

    result = discover(settings=replace(settings, privacy_k=2))

    assert (result.found, result.candidates) == (3, 2)
    where = themes_by_topic(database)
    assert (where["SECRET"], None in where["PIN"]) == ({None}, False)
    with database.reading() as session:
        (said,) = session.scalars(sa.select(ThemeRun.manifest))
    assert said["themes"]["fewest_customers"] == 3
    assert said["themes"]["fewest_contacts"] == 3
    assert said["themes"]["clusters_too_small"] == 1


def test_what_agreed_themes_leave_over_is_no_candidate_of_its_own(
    database, settings, actor, discover
):
    add_contacts(database, settings, {"CARD": 620}, contacts_each=2)
    discover()
    with database.transaction() as session:
        accept(session, theme_named(database, "Card").id, actor)
    scraps = {"SCRAP": 3, "PIN": 4}
    add_contacts(database, settings, scraps, tag="late", contacts_each=2)

    result = discover(settings=replace(settings, privacy_k=2))

    # Of 1,254 contacts read, 14 are in no agreed theme; one in 200 are 7.
    assert (result.found, result.candidates) == (2, 1)
    assert themes_by_topic(database)["SCRAP"] == {None}


def test_contact_whose_text_expired_stays_in_a_decided_theme(
    database, settings, actor, history, discover
):
    discover()
    pin = theme_named(database, "Pin")
    with database.transaction() as session:
        accept(session, pin.id, actor, name="PIN blocked")
        of = sa.select(ContactText.contact_id).where(
            ContactText.issue_text.in_(["PIN a0 turn0", "CARD a0 turn0"])
        )
        session.execute(
            sa.delete(ContactText)
            .where(ContactText.contact_id.in_(of))
            .execution_options(synchronize_session=False)
        )

    discover()

    silent = (
        sa.select(Contact.theme_id, Contact.cluster)
        .where(~sa.exists().where(ContactText.contact_id == Contact.id))
        .order_by(Contact.id)
    )
    with database.reading() as session:
        rows = [tuple(row) for row in session.execute(silent)]
        current = session.scalars(sa.select(DefinitionSet).where(DefinitionSet.is_current)).one()
    assert rows == [(None, -1), (pin.id, current.label_themes.index(pin.id))]


def test_other_encoder_than_the_themes_were_defined_with_is_refused(
    database, settings, actor, history, discover
):
    discover()
    other = make_maker(WordEncoder("other@2"))
    with pytest.raises(Conflict, match=r"words@1.*other@2"):
        assign_contacts(database.transaction, settings=settings, by=actor, maker=other)


def test_assigning_gives_new_contacts_their_theme_and_renews_their_days(
    database, settings, actor, history, discover, maker
):
    discover()
    add_contacts(database, settings, {"PIN": 2, "NEWS": 1}, tag="new")

    result = assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)

    assert (result.assigned, result.contacts_with_text) == (6, 54)
    assert (result.with_theme, result.definition_set) == (52, 1)
    assert themes_by_topic(database)["PIN"] == {"T-003"}
    pin = theme_named(database, "Pin")
    total = sa.select(sa.func.sum(DailyRollup.same_7d)).where(DailyRollup.theme_id == pin.id)
    assert scalar(database, total) == 9
    with database.reading() as session:
        assert session.get_one(ThemeStats, pin.id).contacts == 18


def test_coverage_is_a_share_of_the_contacts_with_text(
    database, settings, actor, history, discover, maker
):
    discover()
    card = theme_named(database, "Card")
    with database.transaction() as session:
        of = sa.select(Contact.id).where(Contact.theme_id == card.id)
        remove_texts(session, session.scalars(of).all())

    result = assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)

    assert (result.contacts_with_text, result.with_theme) == (30, 30)


def test_assigning_twice_changes_nothing(database, settings, actor, history, discover, maker):
    discover()
    add_contacts(database, settings, {"PIN": 2}, tag="new")
    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)
    tables = (Contact, DailyRollup, ThemeStats, AuditEvent, DefinitionSet, ThemeLikeness)
    before = [rows_of(database, table) for table in tables]

    again = assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)

    assert again.assigned == 0
    assert [rows_of(database, table) for table in tables] == before


def test_assigning_everything_gives_the_same_as_assigning_bit_by_bit(
    database, settings, actor, history, discover, maker
):
    discover()
    add_contacts(database, settings, {"PIN": 2, "CARD": 3, "NEWS": 1}, tag="new")
    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)
    tables = (Contact, DailyRollup, ThemeStats)
    before = [rows_of(database, table) for table in tables]

    result = assign_contacts(
        database.transaction, settings=settings, by=actor, everything=True, maker=maker
    )

    assert result.assigned == 60
    assert [rows_of(database, table) for table in tables] == before


def test_assigning_before_the_first_discovery_only_encodes(database, settings, actor, history):
    encoder = WordEncoder()
    result = assign_contacts(
        database.transaction, settings=settings, by=actor, maker=make_maker(encoder)
    )
    assert (result.assigned, result.definition_set, result.contacts_with_text) == (0, None, 48)
    assert len(encoder.encoded) == 48


def test_progress_is_told_and_a_wish_to_stop_is_heard(database, settings, actor, history, maker):
    from closedloop.services.long_work import Cancelled

    told = []

    def report(progress):
        told.append(progress.doing)
        if progress.doing.startswith("Finding"):
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        discover_themes(
            database.transaction, settings=settings, by=actor, maker=maker, report=report
        )
    assert told[0] == "Reading what customers said"
    assert scalar(database, sa.select(sa.func.count(ThemeRun.id))) == 0


def test_quotes_are_typical_boundary_and_contrary_of_different_people(
    database, settings, history, discover
):
    with database.transaction() as session:
        for number in range(12):
            words = " ".join(f"word{number}{place}" for place in range(9))
            make_contact(session, customer=make_customer(session), text=f"CARD {words}")
        doubtful = make_contact(
            session,
            customer=make_customer(session),
            text="CARD and some more words around that mean little here but go on for long enough",
        ).id
    discover()

    card = theme_named(database, "Card")
    with database.reading() as session:
        rows = session.execute(
            sa.select(ThemeEvidence.kind, ThemeEvidence.rank, Contact.theme_id, Contact.customer_id)
            .join(Contact, Contact.id == ThemeEvidence.contact_id)
            .where(ThemeEvidence.theme_id == card.id)
            .where(ThemeEvidence.rank <= sa.case((ThemeEvidence.kind == "contrary", 1), else_=3))
        ).all()
        boundary = session.scalar(
            sa.select(ThemeEvidence.contact_id).where(
                ThemeEvidence.theme_id == card.id,
                ThemeEvidence.kind == "boundary",
                ThemeEvidence.rank == 1,
            )
        )
    kinds = [(kind.value, rank) for kind, rank, _, _ in rows]
    assert sorted(kinds) == [
        ("boundary", 1),
        ("boundary", 2),
        ("boundary", 3),
        ("contrary", 1),
        ("typical", 1),
        ("typical", 2),
        ("typical", 3),
    ]
    assert len({customer for *_, customer in rows}) == 7
    inside = {kind.value: theme == card.id for kind, _, theme, _ in rows}
    assert inside == {"typical": True, "boundary": True, "contrary": False}
    assert boundary == doubtful


def test_theme_of_few_recent_customers_is_not_quoted(
    database, settings, actor, history, discover, maker
):
    discover()
    add_contacts(database, settings, {"PIN": 4, "CARD": 6}, start=datetime(2026, 7, 1, tzinfo=UTC))

    assign_contacts(database.transaction, settings=settings, by=actor, maker=maker)

    quoted = scalars(database, sa.select(ThemeEvidence.theme_id).distinct())
    assert quoted == [theme_named(database, "Card").id]


def test_likeness_counts_customers_of_both_themes(database, settings, history, discover):
    with database.transaction() as session:
        for number in range(3):
            customer = make_customer(session)
            for topic in ("CARD", "REFUND"):
                make_contact(session, customer=customer, text=f"{topic} both{number}")
    discover()

    card, refund = theme_named(database, "Card").id, theme_named(database, "Refund").id
    with database.reading() as session:
        near = session.get_one(ThemeLikeness, (card, refund))
        assert near.customers_in_both == 3
        back = session.get_one(ThemeLikeness, (refund, card))
        assert near.likeness == pytest.approx(back.likeness, abs=1e-3)
        assert session.scalar(sa.select(sa.func.count()).select_from(ThemeLikeness)) == 6


def test_stats_count_the_days_they_name(session, settings):
    theme = make_theme(session, demand_type=DemandType.FAILURE)
    other = make_theme(session)
    merged = make_theme(session, ThemeStatus.MERGED, merged_into_id=theme.id)
    as_of = date(2026, 5, 11)
    customer = make_customer(session)
    for age in (0, 6, 7, 27, 28, 55, 56, 89, 90):
        at = datetime(2026, 5, 11, 12, tzinfo=UTC) - timedelta(days=age)
        make_contact(session, started_at=at, customer=customer, theme=theme)
    make_contact(session, started_at=datetime(2026, 5, 12, tzinfo=UTC), theme=theme)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    assert refresh_theme_stats(session, settings=settings, as_of=as_of) == 2
    stats = session.get_one(ThemeStats, theme.id)
    assert (stats.contacts, stats.customers, stats.mature) == (8, 1, 6)
    # Followed within 7 days: the ones 7, 28 and 56 days back; those 6 and 90 days back are out.
    assert (stats.repeats_any, stats.repeats_same) == (3, 3)
    assert stats.handle_seconds == 8 * 300
    assert (stats.contacts_4_weeks, stats.contacts_4_weeks_before) == (4, 2)
    assert stats.weekly == [2, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 1, 2]
    assert stats.priority > session.get_one(ThemeStats, other.id).priority
    assert session.get(ThemeStats, merged.id) is None


def test_days_mature_by_the_clock_where_it_went_forward_within_the_window(session, settings):
    """In London 29 March 2026 has 23 hours: seven days to 3 April end before 27 March matures."""
    theme, customer = make_theme(session), make_customer(session)
    for day in (26, 27):
        at = datetime(2026, 3, day, 23, 30, tzinfo=UTC)
        make_contact(session, started_at=at, customer=customer, theme=theme)
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)

    def figures(as_of: date) -> tuple[int, int]:
        refresh_theme_stats(session, settings=settings, as_of=as_of)
        stats = session.get_one(ThemeStats, theme.id)
        return stats.mature, stats.repeats_any

    assert figures(date(2026, 4, 3)) == (1, 1)
    page = get_theme_page(session, theme.key, k=1, first_day=date(2026, 3, 1))
    assert page.trend.maturing_from == date(2026, 3, 27)
    renew_stats_of_last_day(session)  # without settings: by the same clock
    assert session.get_one(ThemeStats, theme.id).mature == 1
    assert figures(date(2026, 4, 4)) == (2, 1)
    plain = replace(settings, reporting_zone="UTC")
    refresh_theme_stats(session, settings=plain, as_of=date(2026, 4, 3))
    assert session.get_one(ThemeStats, theme.id).mature == 2


def test_stats_count_who_is_not_known_and_whose_time_is_known(session, settings):
    theme = make_theme(session)
    at = datetime(2026, 5, 10, 12, tzinfo=UTC)
    make_contact(session, started_at=at, customer=make_customer(session), theme=theme)
    for _ in range(2):
        make_contact(session, started_at=at, theme=theme, handle_seconds=None)
    roll_up_days(session, days=None)

    refresh_theme_stats(session, settings=settings, as_of=date(2026, 5, 11))

    stats = session.get_one(ThemeStats, theme.id)
    assert (stats.contacts, stats.customers, stats.unidentified, stats.people) == (3, 1, 2, 3)
    assert (stats.handled, stats.handle_seconds) == (1, 300)


def test_renaming_is_kept_as_a_persons_name_and_put_down(session, actor):
    theme = make_theme(session)
    before = theme.name
    rename_theme(session, theme_id=theme.id, name="  Cards   come late ", by=actor)
    assert (theme.name, theme.is_named_by_person) == ("Cards come late", True)
    event = session.scalars(sa.select(AuditEvent)).one()
    assert event.detail == {"from": before, "to": "Cards come late"}


@pytest.mark.parametrize("name", ["", "   ", "x" * 161])
def test_renaming_needs_a_name_of_sensible_length(session, actor, name):
    theme = make_theme(session)
    with pytest.raises(Invalid) as refusal:
        rename_theme(session, theme_id=theme.id, name=name, by=actor)
    assert "name" in refusal.value.fields


def test_describing_the_cause_moves_a_triaged_theme_on(session, actor):
    theme = make_theme(session, ThemeStatus.TRIAGED)
    describe_cause(session, theme_id=theme.id, cause="The plant prints weekly.", by=actor)
    assert (theme.cause, theme.status) == ("The plant prints weekly.", ThemeStatus.CAUSE_KNOWN)


def test_cause_of_a_candidate_is_refused(session, actor):
    theme = make_theme(session)
    with pytest.raises(InvalidTransition, match="Accept"):
        describe_cause(session, theme_id=theme.id, cause="The plant prints weekly.", by=actor)


def test_merged_theme_is_changed_where_it_went(session, actor):
    into = make_theme(session, name="Cards")
    theme = make_theme(session, ThemeStatus.MERGED, merged_into_id=into.id)
    with pytest.raises(Conflict, match="Cards"):
        rename_theme(session, theme_id=theme.id, name="Other", by=actor)


def test_themes_of_the_shipped_encoder_are_found_and_decisions_about_them_stand(
    database, settings, actor
):
    matters = {
        "card": [
            "My new card has not arrived",
            "Where is the card I ordered",
            "Card delivery late",
        ],
        "refund": ["The shop refund is missing", "My refund is not there", "Waiting for a refund"],
        "pin": ["I forgot my PIN", "My PIN is blocked", "How do I unblock my PIN"],
    }
    with database.transaction() as session:
        for matter, ways in matters.items():
            for number in range(24):
                text = f"{ways[number % 3]}, {('please', 'again', 'since Monday')[number // 8]}"
                customer = make_customer(session)
                make_contact(session, customer=customer, text=text, disposition=matter)
    for _ in range(2):
        discover_themes(database.transaction, settings=settings, by=actor)
        keys = themes_by_topic(database)
        about = sa.select(Contact.theme_id).where(Contact.disposition == "card")
        theme = scalars(database, sa.select(Theme).where(Theme.id.in_(about)))[0]
        if theme.status is ThemeStatus.CANDIDATE:
            before = keys
            with database.transaction() as session:
                accept(session, theme.id, actor)
    assert keys == before
    assert scalars(database, about) == 24 * [theme.id]
    assert theme.name == "Cards come late"
