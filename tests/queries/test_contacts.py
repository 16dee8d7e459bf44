"""Finding contacts: does each filter give exactly what it names, page after page?"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.contacts import WINDOWS, Basis
from closedloop.domain.errors import NotFound
from closedloop.models import ContactText, DailyRollup
from closedloop.queries import contact_totals
from closedloop.queries import contacts as queries
from closedloop.queries.contact_page import get_contact_page
from closedloop.queries.contacts import (
    NOT_SAID,
    ContactFilter,
    Cursor,
    Follow,
    count_contacts,
    find_follow,
    get_filter_options,
    list_and_count,
    list_contacts,
)
from closedloop.services.repeats import chain_contacts, mark_due
from closedloop.services.rollups import roll_up_days
from tests.factories.contacts import make_batch, make_contact, make_customer, make_history
from tests.factories.themes import make_theme
from tests.statements import count_statements

AT = datetime(2026, 3, 2, 10, tzinfo=UTC)


def ids(session, **wanted) -> list[int]:
    return [row.id for row in list_contacts(session, ContactFilter(**wanted))]


def test_list_contacts_pages_without_gap_or_double_where_many_start_in_one_second(session):
    batch = make_batch(session)
    made = [make_contact(session, batch=batch, started_at=AT).id for _ in range(5)]
    made.append(make_contact(session, batch=batch, started_at=AT + timedelta(hours=1)).id)

    seen, after = [], None
    for _ in range(3):
        rows = list_contacts(session, ContactFilter(), after=after, limit=2)
        seen += [row.id for row in rows]
        after = Cursor(rows[-1].started_at, rows[-1].id)

    assert seen == sorted(made, reverse=True)
    assert list_contacts(session, ContactFilter(), after=after) == []


def test_list_contacts_takes_both_ends_of_a_period(session):
    days = [make_contact(session, started_at=AT + timedelta(days=i)).id for i in range(4)]

    found = ids(session, first_day=date(2026, 3, 3), last_day=date(2026, 3, 4))

    assert found == [days[2], days[1]]


def test_list_contacts_tells_an_empty_channel_from_any(session):
    make_contact(session, channel="phone")
    silent = make_contact(session, channel="")

    assert ids(session, channel=NOT_SAID) == [silent.id]
    assert len(ids(session)) == 2


def test_list_contacts_without_theme_leaves_out_those_with_one(session):
    theme = make_theme(session)
    with_theme = make_contact(session, theme=theme)
    without = make_contact(session)

    assert ids(session, without_theme=True) == [without.id]
    assert ids(session, theme_id=theme.id) == [with_theme.id]


def test_list_contacts_finds_all_words_in_any_order_and_no_wildcards(session):
    both = make_contact(session, text="The refund for my card is late")
    make_contact(session, text="The refund is late")
    percent = make_contact(session, text="I was promised 100% of it")

    assert ids(session, words="CARD refund") == [both.id]
    assert ids(session, words="100%") == [percent.id]
    assert ids(session, words="r_fund") == []


def test_list_contacts_finds_the_beginning_of_a_number_and_not_its_middle(session):
    found = make_contact(session, source_contact_id="ZD-4417", text=None)
    make_contact(session, source_contact_id="4417-ZD", text=None)

    assert ids(session, words="zd-44") == [found.id]


def test_list_contacts_looks_for_words_in_the_newest_only_but_for_a_whole_number_everywhere(
    session, monkeypatch
):
    monkeypatch.setattr(queries, "SEARCHED_CONTACTS", 2)
    old = make_contact(session, source_contact_id="OLD-1", text="refund please", started_at=AT)
    for i in (1, 2):
        make_contact(session, text="nothing", started_at=AT + timedelta(days=i))

    assert ids(session, words="refund") == []
    assert ids(session, words="OLD-") == []
    assert ids(session, words="OLD-1") == [old.id]


def test_a_whole_number_is_still_bound_by_the_other_filters(session):
    make_contact(session, source_contact_id="OLD-1", channel="phone")

    assert ids(session, words="OLD-1", channel="chat") == []


@pytest.mark.parametrize("basis", list(Basis))
@pytest.mark.parametrize("window", WINDOWS, ids=lambda w: w.key)
def test_follow_filters_list_exactly_what_the_roll_up_counts(session, settings, basis, window):
    theme, other = make_theme(session), make_theme(session)
    histories = [
        make_history(session, [24, 24.5, 71, 169, 300], theme=theme),
        make_history(session, [30, 200], theme=other),
        make_history(session, [5]),
    ]
    histories[1][1].theme_id = theme.id
    make_contact(session)  # unidentified: in no rate
    session.flush()
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.expire_all()
    for kind, prefix in (("followed", ""), ("opens", "opening_"), ("resolved", "resolved_")):
        column = getattr(DailyRollup, f"{prefix}{basis.value}_{window.key}")
        counted = session.scalar(sa.select(sa.func.sum(column)))
        assert len(ids(session, follow=Follow(kind, basis, window))) == counted, kind


def test_find_follow_reads_its_own_keys_and_nothing_else():
    follow = Follow("resolved", Basis.SAME, WINDOWS[3])

    assert find_follow(follow.key) == follow
    assert find_follow("followed-any-8d") is None
    assert find_follow("followed-all-7d") is None


def test_a_repeat_says_how_long_after_the_first_of_its_episode_it_came(session, settings):
    history = make_history(session, [24, 48, 400])
    chain_contacts(session, settings=settings, customer_ids=None)
    session.expire_all()

    rows = {row.id: row for row in list_contacts(session, ContactFilter())}

    assert [(rows[c.id].chain_position, rows[c.id].chain_seconds) for c in history] == [
        (1, 0),
        (2, 24 * 3600),
        (3, 72 * 3600),
        (1, 0),
    ]
    assert ids(session, repeats_only=True) == [history[2].id, history[1].id]


def test_identified_and_batch_and_customer_filters(session):
    batch = make_batch(session)
    customer = make_customer(session)
    known = make_contact(session, customer=customer, batch=batch)
    unknown = make_contact(session)

    assert ids(session, identified=False) == [unknown.id]
    assert ids(session, identified=True) == [known.id]
    assert ids(session, batch_id=batch.id) == [known.id]
    assert ids(session, customer_id=customer.id) == [known.id]


def test_count_contacts_stops_counting_at_its_bound(session, monkeypatch):
    monkeypatch.setattr(queries, "COUNTED_CONTACTS", 3)
    for _ in range(6):
        make_contact(session, text="card")

    assert count_contacts(session, ContactFilter()) == 4
    assert count_contacts(session, ContactFilter(words="card")) == 4
    assert count_contacts(session, ContactFilter(channel="chat")) == 0


def test_filter_options_come_from_the_roll_up_of_the_last_400_days(session, settings):
    make_contact(session, channel="fax", started_at=AT - timedelta(days=500))
    make_contact(session, channel="phone", started_at=AT)
    roll_up_days(session, days=None)

    options = get_filter_options(session, last_day=date(2026, 3, 2))

    assert options.channels == ["phone"]
    assert options.queues == ["cards"]


def test_of_very_many_values_the_most_frequent_are_offered(session, settings):
    for number in range(62):
        for _ in range(1 if number in (5, 40) else 2):
            make_contact(session, queue=f"q{number:02}", started_at=AT)
    roll_up_days(session, days=None)

    options = get_filter_options(session, last_day=AT.date())

    assert options.queues == [f"q{number:02}" for number in range(62) if number not in (5, 40)]


def test_the_timeline_holds_the_episode_and_one_neighbour_on_each_side(session, settings):
    history = make_history(session, [400, 400, 24, 48, 400, 400])
    chain_contacts(session, settings=settings, customer_ids=None)
    session.expire_all()

    page = get_contact_page(session, history[3].id)

    assert [item.id for item in page.chain] == [c.id for c in history[1:6]]
    assert [item.is_episode for item in page.chain] == [False, True, True, True, False]
    assert [item.is_this for item in page.chain].index(True) == 2
    assert [item.gap_seconds for item in page.chain] == [
        None,
        *(hours * 3600 for hours in (400, 24, 48, 400)),
    ]
    assert page.episode_length == 3
    assert page.has_more_before
    assert page.has_more_after


def test_a_contact_of_nobody_known_has_no_timeline(session):
    contact = make_contact(session)
    make_contact(session)

    assert get_contact_page(session, contact.id).chain == []


def test_turns_keep_the_time_of_their_message(session):
    contact = make_contact(session)
    text = session.get(ContactText, contact.id)
    text.turns = [["customer", "Hello", "m1", "2026-03-02T10:00:00+00:00"], ["agent", "Hi"]]
    session.flush()

    first, second = get_contact_page(session, contact.id).turns

    assert (first.speaker, first.text, first.said_at) == ("customer", "Hello", AT)
    assert second.said_at is None


def test_a_contact_without_text_says_whether_it_ever_had_one(session):
    bare = make_batch(session)
    bare.mapping = {"columns": {"contact_id": "id", "started_at": "at"}}
    worded = make_batch(session)
    worded.mapping = {"columns": {"contact_id": "id", "started_at": "at", "text": "words"}}
    old = make_contact(session, batch=worded, text=None, started_at=AT - timedelta(days=1))
    make_contact(session, batch=worded, text="Hello", started_at=AT)
    new = make_contact(session, batch=worded, text=None, started_at=AT + timedelta(days=1))
    without_column = make_contact(session, batch=bare, text=None)

    def silence(contact):
        return get_contact_page(session, contact.id).silence

    assert silence(without_column) == "no_column"
    assert silence(new) == "never"  # an older text of its file is still kept
    assert silence(old) == "unknown"


def test_get_contact_page_of_nothing_is_not_found(session):
    with pytest.raises(NotFound, match="no contact 404"):
        get_contact_page(session, 404)


@pytest.fixture
def large_history(session, settings, monkeypatch):
    """A history that the roll-ups are asked about; every filter has few and many in it."""
    monkeypatch.setattr(contact_totals, "READ_DIRECTLY", 0)
    theme, batch = make_theme(session), make_batch(session)
    customers = [make_customer(session), make_customer(session), None]
    for i in range(36):
        make_contact(
            session,
            batch=batch,
            customer=customers[i % 3],
            theme=theme if i % 4 else None,
            channel=("phone", "chat", "")[i % 7 % 3],
            queue=("cards", "loans")[i % 11 // 6],
            started_at=AT - timedelta(hours=13 * i),
        )
    chain_contacts(session, settings=settings, customer_ids=None)
    roll_up_days(session, days=None)
    session.expire_all()
    return theme


FILTERS = (
    {},
    {"channel": NOT_SAID},
    {"queue": "loans"},
    {"channel": "chat", "queue": "loans"},
    {"channel": "fax"},
    {"channel": "phone", "first_day": date(2026, 2, 20), "last_day": date(2026, 2, 27)},
    {"identified": False, "queue": "loans"},
    {"identified": False, "channel": "chat"},
    {"identified": True, "queue": "loans", "without_theme": True},
    {"follow": Follow("followed", Basis.ANY, WINDOWS[1]), "channel": "phone"},
    {"follow": Follow("opens", Basis.SAME, WINDOWS[1]), "queue": "loans"},
    {"follow": Follow("resolved", Basis.ANY, WINDOWS[0]), "first_day": date(2026, 2, 20)},
    {"repeats_only": True, "queue": "loans"},
    {"repeats_only": True, "queue": "loans", "repeat_days": 7},
    {"repeats_only": True, "repeat_days": 7, "last_day": date(2026, 2, 20)},
    {"repeats_only": True, "repeat_days": 5, "identified": True},
)


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
def test_the_roll_ups_count_and_page_as_the_contacts_themselves_do(
    session, large_history, wanted, monkeypatch
):
    asked = ContactFilter(**wanted)
    counted, paged = count_contacts(session, asked), _page_through(session, asked)
    monkeypatch.setattr(contact_totals, "READ_DIRECTLY", 10**9)

    assert counted == count_contacts(session, asked)
    assert paged == _page_through(session, asked)
    assert len(paged) == counted


def _page_through(session, wanted: ContactFilter) -> list[int]:
    seen, after = [], None
    while rows := list_contacts(session, wanted, after=after, limit=3):
        seen += [row.id for row in rows]
        after = Cursor(rows[-1].started_at, rows[-1].id)
    return seen


def test_a_theme_is_counted_from_the_roll_ups_too(session, large_history):
    asked = ContactFilter(theme_id=large_history.id, channel="phone")

    assert count_contacts(session, asked) == len(_page_through(session, asked)) > 0


def test_contacts_of_a_team_language_and_channel_are_counted_from_an_index_alone(
    session, database, large_history
):
    asked = ContactFilter(team="Blue", language="lt", channel="chat")

    with count_statements(database.engine) as seen:
        assert count_contacts(session, asked) == 0

    if database.engine.dialect.name == "sqlite":
        plan = session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {seen[-1]}", ("chat", "Blue", "lt", 0, 10_001, 0)
        )
        assert "COVERING INDEX ix_daily_rollups_team_day" in str(plan.all())


def test_a_list_of_what_is_rare_reads_its_days_and_nothing_between(
    session, database, large_history
):
    with count_statements(database.engine) as seen:
        assert len(ids(session, channel="", queue="loans")) > 2

    if database.engine.dialect.name == "sqlite":
        marks = seen[-1].count("?")
        plan = session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {seen[-1]}", ("x",) * (marks - 2) + (51, 0)
        )
        steps = str(plan.all())
        assert "LIST SUBQUERY" in steps
        assert "(local_day=? AND channel=?)" in steps


def test_contacts_of_nobody_known_are_not_looked_for_among_all_of_theirs(
    session, database, large_history
):
    with count_statements(database.engine) as seen:
        assert len(ids(session, channel="chat", identified=False)) > 2

    assert "contacts.id IN (SELECT" not in seen[-1]


def test_the_roll_ups_are_not_asked_while_a_day_is_due(session, large_history):
    batch, customer = make_batch(session), make_customer(session)
    make_contact(session, batch=batch, customer=customer, channel="fax", started_at=AT)
    assert count_contacts(session, ContactFilter(channel="fax")) == 0

    mark_due(session, [AT.date()])

    assert count_contacts(session, ContactFilter(channel="fax")) == 1
    assert len(ids(session, channel="fax")) == 1


def test_a_search_inside_filters_asks_so_many_of_the_period_and_no_more(session, monkeypatch):
    monkeypatch.setattr(queries, "SEARCHED_AMONG", 3)
    made = [
        make_contact(
            session, text="refund", channel=channel, started_at=AT - timedelta(days=days)
        ).id
        for days, channel in enumerate(("phone", "chat", "phone", "chat"))
    ]

    assert ids(session, words="refund", channel="chat") == [made[1]]
    assert ids(session, words="refund") == made
    assert ids(session, words="refund", channel="chat", last_day=date(2026, 3, 1)) == [
        made[1],
        made[3],
    ]


def test_a_page_of_what_was_found_goes_on_where_the_last_one_ended(session):
    made = [make_contact(session, text="refund", started_at=AT).id for _ in range(5)]

    rows, total = list_and_count(session, ContactFilter(words="refund"), limit=2)
    after = Cursor(rows[-1].started_at, rows[-1].id)
    further, again = list_and_count(session, ContactFilter(words="refund"), after=after, limit=9)

    assert [row.id for row in rows + further] == sorted(made, reverse=True)
    assert total == again == 5
