"""Home in the browser: the answer first, what waits for each role, what changed."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.audit import Actor, ActorKind
from closedloop.domain.clock import as_if
from closedloop.domain.impact import Verdict
from closedloop.domain.jobs import JobKind, JobState
from closedloop.domain.themes import ThemeStatus
from closedloop.models import AuditEvent, DailyRollup, Job
from closedloop.services.audit import record_event
from tests.factories.accounts import make_department, make_user
from tests.factories.contacts import make_contact
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.rollups import make_rollup, slice_again
from tests.factories.series import add_days
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

NOW = datetime(2026, 5, 12, 9, tzinfo=UTC)
CUT = date(2026, 5, 11)
NIGHT = Actor("Nightly round", ActorKind.JOB)


@pytest.fixture(autouse=True)
def on_the_day():
    """Live on Tuesday 12 May 2026."""
    with as_if(NOW):
        yield


def add_data(session, any_7d=200, days: int = 200):
    """Write 1,000 contacts a day to 11 May and the two contacts that say how far they reach."""
    first = CUT - timedelta(days=days - 1)
    theme = make_theme(session, ThemeStatus.HELD)
    add_days(session, theme, first, [1000] * days)
    for row in session.scalars(sa.select(DailyRollup)):
        row.any_7d = any_7d(row.day) if callable(any_7d) else any_7d
        row.same_7d = row.any_7d // 2
    slice_again(session)
    for day in (first, CUT):
        make_contact(session, started_at=datetime(day.year, day.month, day.day, 9, tzinfo=UTC))
    return theme


def add_shipped(session, theme=None, *, title="Text when posted", live=date(2026, 3, 3), **values):
    department = values.pop("department", None) or make_department(session)
    action = make_action(session, theme, ActionStatus.SHIPPED, title=title, department=department)
    intervention = make_intervention(session, action, went_live_on=live)
    return action, intervention


def test_a_fresh_site_shows_the_first_steps_and_one_button(manager):
    html = manager.get("/")
    text = text_of(html)

    assert "Tuesday 12 May" in text
    assert "0 of 5 done" in text
    assert html.count('href="/contacts/import"') == 1
    assert "Repeat contacts within 7 days" not in text


def test_first_steps_go_on_with_what_is_not_done(manager, session):
    add_data(session)
    make_theme(session)

    text = text_of(manager.get("/"))

    assert "3 of 5 done" in text  # imported, found, and one theme is agreed
    assert "Propose an action" in text


def test_an_administrator_is_led_to_departments_and_people_before_triage_needs_them(
    sign_in_as, session
):
    page = sign_in_as(Role.ADMIN)

    html = page.get("/")
    assert "0 of 6 done" in text_of(html)
    assert (
        html.count("btn-primary btn-sm") == 1
    )  # importing is next; people can be added at any time
    assert 'class="btn btn-sm" href="/admin/departments"' in html
    make_department(session, "Cards")
    assert 'class="btn btn-sm" href="/admin/users"' in page.get("/")
    make_user(session)
    assert "1 of 6 done" in text_of(page.get("/"))


def test_nobody_is_sent_to_shipped_actions_before_there_are_any(manager, session):
    assert "See what shipped actions did" not in manager.get("/")
    add_data(session)
    add_shipped(session)
    assert "See what shipped actions did" in manager.get("/")


def test_first_steps_leave_once_something_was_shipped(manager, session):
    add_shipped(session, add_data(session))

    assert "First steps" not in manager.get("/")


def test_an_executive_is_told_who_takes_the_first_step(sign_in_as):
    html = sign_in_as(Role.EXECUTIVE).get("/")

    assert "A CX manager does this" in html
    assert "/contacts/import" not in html


def test_headline_says_the_rate_its_days_and_what_it_was(manager, session):
    add_data(session, lambda day: 210 if day < date(2026, 3, 1) else 180)

    html = manager.get("/")
    text = text_of(html)

    assert "18.0 % from 21.0 % in the four weeks to 8 Dec 2025" in text
    assert "Any reason, four weeks to 4 May. Same theme: 9.0 %, from 10.5 %." in text
    assert "/contacts/repeats?from=2026-04-07&amp;to=2026-05-04" in html
    assert "Repeat contacts are falling." in text


def test_headline_does_not_call_chance_a_fall(manager, session):
    add_data(session, lambda day: 202 if day < date(2026, 3, 1) else 199)

    html = manager.get("/")
    text = text_of(html)

    assert "was 20.2 % in the four weeks to 8 Dec 2025" in text
    assert "Chance would explain the difference." in text
    assert "cl-delta--flat" in html
    assert "are about where they were" in text


def test_nothing_is_said_of_the_same_theme_before_there_are_themes(manager, session):
    theme = add_data(session)
    html = manager.get("/")
    assert "Same theme: 10.0 %" in text_of(html)

    session.execute(sa.update(DailyRollup).values(theme_id=None, themed=0))
    slice_again(session)
    session.delete(theme)

    html = manager.get("/")

    assert "Same theme: known once themes are found." in text_of(html)
    assert '"same7":[null,' in html


def test_too_few_people_behind_the_same_theme_are_told_apart_from_days_too_young(manager, session):
    add_data(session)
    for row in session.scalars(sa.select(DailyRollup)):
        row.same_7d = row.day.isoweekday() == 1
    slice_again(session)

    html = manager.get("/")
    text = text_of(html)

    assert "Any reason, four weeks to 4 May. Same theme: a week may be of too few people" in text
    assert 'href="/metrics/repeat_rate_same?from=2026-04-07&amp;to=2026-05-04"' in html
    assert "not yet known Seven days" not in text
    assert "by the same theme" not in text.split("Repeat contacts within 7 days")[-1][:600]


def test_contacts_avoided_are_dated_by_the_actions_that_are_in_the_total(manager, session):
    theme = add_data(session)
    _, added = add_shipped(session, theme)
    make_measurement(session, added)
    _, unsure = add_shipped(session, theme, title="Older", live=date(2025, 11, 1))
    make_measurement(session, unsure, verdict=Verdict.INCONCLUSIVE)
    add_shipped(session, theme, title="Never measured", live=date(2025, 5, 14))

    text = text_of(manager.get("/"))

    assert "Contacts avoided since 3 Mar 2026" in text


def test_the_small_axis_of_avoided_contacts_names_its_ends_and_zero_only(manager, session):
    _, intervention = add_shipped(session, add_data(session))
    make_measurement(session, intervention, avoided=(186.0, 877.0, 2012.0), handle_seconds=600.0)

    axis = re.search(r'<svg class="cl-axis".*?</svg>', manager.get("/"), re.S)[0]

    assert re.findall(r">([\d,]+)</text>", axis) == ["0", "3,000"]


def test_avoided_contacts_are_a_range_over_the_newest_looks(manager, session):
    theme = add_data(session)
    _, first = add_shipped(session, theme)
    make_measurement(session, first, avoided=(300.0, 400.0, 500.0), handle_seconds=600.0)
    _, second = add_shipped(session, theme, title="Refund date", live=date(2026, 2, 1))
    make_measurement(session, second, avoided=(700.0, 800.0, 900.0), handle_seconds=600.0)
    make_measurement(  # a running estimate never enters a total
        session, second, as_of=date(2026, 5, 1), avoided=(5e3, 6e3, 7e3)
    )
    add_shipped(session, theme, title="Too new", live=date(2026, 5, 6))

    text = text_of(manager.get("/"))

    # counted over other days: 1,200 ± the root of 100² + 100², ten minutes each, at 62 pence
    assert "1,059 to 1,341" in text
    assert "Most likely 1,200. 95 % range over 2 of 3 shipped actions" in text
    assert "176 to 224 hours" in text
    assert "£6,500 to £8,400. Capacity, not cash." in text  # two figures, rounded outwards


def test_the_loop_counts_each_step_and_leads_to_its_list(manager, session):
    theme = add_data(session)  # holds
    make_stats(session, make_theme(session), contacts=486)
    make_theme(session, ThemeStatus.TRIAGED)
    make_action(session, theme, due_on=date(2026, 5, 11))
    add_shipped(session, theme, live=date(2026, 5, 6))

    html = manager.get("/")
    text = text_of(html)

    assert "Understand 1 candidate 486 contacts in 90 days" in text
    assert "Agree 1 agreed theme 1 without an owner" in text
    assert "Act 1 action 1 overdue" in text
    assert "Measure 1 in its first looks next look with data to 19 May" in text
    assert "Held 1 theme" in text
    for link in (
        "/triage/",
        "/themes/?view=open&amp;status=triaged",
        "/actions/?view=list&amp;show=open",
        "/impact/",
        "/themes/?view=open&amp;status=held",
    ):
        assert f'class="cl-loop-link" href="{link}"' in html


def test_home_and_the_rail_count_the_same_measurements(manager, session):
    theme = add_data(session)
    add_shipped(session, theme, live=date(2026, 5, 6))
    _, decided = add_shipped(session, theme, title="Decided", live=date(2026, 3, 3))
    make_measurement(session, decided, as_of=date(2026, 5, 5), look=4, is_look=True)

    text = text_of(manager.get("/"))

    assert "Impact 1 in their first looks" in text
    assert "Measure 1 in its first looks" in text


def test_every_link_of_the_page_leads_somewhere(manager, session):
    theme = add_data(session)
    back = make_theme(session, ThemeStatus.REOPENED, name="Refund late")
    _, intervention = add_shipped(session, back)
    make_comeback(session, intervention)
    make_measurement(session, intervention, as_of=date(2026, 5, 5), look=4, is_look=True)
    make_action(session, theme, due_on=date(2026, 5, 1))
    make_action(session, theme, ActionStatus.HANDED_BACK, hand_back_reason="Not ours.")
    make_theme(session)
    record_event(
        session,
        by=NIGHT,
        verb="themes.renamed",
        target_kind="theme",
        target_id=theme.id,
        summary="renamed it",
    )
    html = manager.get("/")
    links = {part.split('"')[0] for part in html.split("<main")[1].split('href="')[1:]}

    for link in sorted(links - {"#main"}):
        if link.startswith("/static"):
            continue
        assert manager.raw(link.replace("&amp;", "&")).status_code == 200, link


def test_a_theme_that_came_back_closes_the_loop_with_an_arrow(manager, session):
    add_data(session)
    back = make_theme(session, ThemeStatus.REOPENED, name="Refund late")
    _, intervention = add_shipped(session, back)
    make_comeback(session, intervention, since_on=date(2026, 4, 28), excess=87.0)

    html = manager.get("/")
    text = text_of(html)

    assert "cl-loop-return" in html
    assert "1 came back: Refund late" in text
    assert "“Refund late” came back" in text
    assert "About 87 contacts more since 28 April 2026 than the fix had left." in text
    assert "1 theme came back" in text


def test_a_manager_sees_what_is_overdue_with_department_and_days(manager, session):
    payments = make_department(session, "Payments")
    theme = add_data(session)
    make_action(session, theme, department=payments, due_on=date(2026, 5, 5), title="Say why")
    make_action(session, theme, department=payments, due_on=date(2026, 5, 12), title="In time")

    text = text_of(manager.get("/"))

    assert "1 action is overdue “Say why” (Payments, 7 days). Ask the owner" in text
    assert "Ask the owners" not in text
    assert "In time" not in text


def test_a_stakeholder_sees_the_own_department_only(sign_in_as, session):
    mine, other = make_department(session, "Payments"), make_department(session, "Digital")
    theme = add_data(session)
    for department, title in ((mine, "Ours"), (other, "Theirs")):
        make_action(session, theme, department=department, due_on=date(2026, 5, 1), title=title)
        _, intervention = add_shipped(session, theme, title=f"{title} out", department=department)
        make_measurement(session, intervention, as_of=date(2026, 5, 5), look=4, is_look=True)

    page = sign_in_as(Role.STAKEHOLDER, department_id=mine.id)
    todo = text_of(page.get("/")).split("For you")[1].split("What changed")[0]

    assert "1 action is overdue" in todo
    assert "Ours" in todo
    assert "Verdict ready: “Ours out”" in todo
    assert "Theirs" not in todo


def test_a_stakeholder_is_asked_for_an_answer_to_what_is_proposed_to_the_department(
    sign_in_as, session
):
    mine, other = make_department(session, "Payments"), make_department(session, "Digital")
    theme, proposed = add_data(session), ActionStatus.PROPOSED
    later = date(2026, 7, 3)
    ours = make_action(session, theme, proposed, department=mine, due_on=later, title="Ours")
    make_action(session, theme, proposed, department=other, title="Theirs")
    page = sign_in_as(Role.STAKEHOLDER, department_id=mine.id)

    html = page.get("/")
    todo = text_of(html).split("For you")[1].split("What changed")[0]
    assert "1 action waits for your answer “Ours” (live by 3 Jul)." in todo
    assert "Theirs" not in todo
    assert "due within a week" not in todo
    assert f'class="btn btn-sm" href="/actions/{ours.key}"' in html

    make_action(session, theme, proposed, department=mine, due_on=None, title="Another")
    html = page.get("/")
    assert "2 actions wait for your answer" in text_of(html)
    assert f'href="/actions/?department={mine.id}"' in html


def test_a_stakeholder_finds_the_open_actions_of_the_department_when_nothing_presses(
    sign_in_as, session
):
    mine, theme = make_department(session, "Payments"), add_data(session)
    make_action(session, theme, department=mine, due_on=date(2026, 7, 3))
    make_action(session, theme, due_on=date(2026, 7, 3))

    html = sign_in_as(Role.STAKEHOLDER, department_id=mine.id).get("/")

    assert "Nothing waits for you" in html
    link = f'href="/actions/?view=list&amp;show=open&amp;department={mine.id}"'
    assert f"{link}>1 open action of your department" in html


def test_lists_that_a_stakeholder_is_led_to_hold_what_was_counted(sign_in_as, session):
    mine, other = make_department(session, "Payments"), make_department(session, "Digital")
    theme = add_data(session)
    for department in (mine, other):
        for due in (date(2026, 5, 1), date(2026, 5, 14)):
            make_action(session, theme, department=department, due_on=due)

    html = sign_in_as(Role.STAKEHOLDER, department_id=mine.id).get("/")

    assert f'href="/actions/?view=list&amp;overdue=1&amp;department={mine.id}"' in html
    assert f'href="/actions/?view=list&amp;show=open&amp;department={mine.id}"' in html


def test_a_stakeholder_is_told_of_what_came_back_where_the_own_department_acts(sign_in_as, session):
    mine, other = make_department(session, "Payments"), make_department(session, "Digital")
    add_data(session)
    for name, of in (("Ours", mine), ("Theirs", other)):
        theme = make_theme(session, ThemeStatus.REOPENED, name=name)
        make_action(session, theme, ActionStatus.EFFECTIVE, department=of)
    make_action(session, theme, ActionStatus.HANDED_BACK, department=mine)

    page = sign_in_as(Role.STAKEHOLDER, department_id=mine.id)
    text = text_of(page.get("/"))
    todo = text.split("For you")[1].split("What changed")[0]

    assert "“Ours” came back" in todo
    assert "Theirs" not in todo
    assert "2 themes came back" in text


def test_a_verdict_is_new_for_two_weeks_of_data(manager, session):
    theme = add_data(session)
    for title, as_of in (("Fresh", date(2026, 4, 28)), ("Stale", date(2026, 4, 27))):
        _, intervention = add_shipped(session, theme, title=title)
        make_measurement(session, intervention, as_of=as_of, look=4, is_look=True)

    todo = text_of(manager.get("/")).split("For you")[1].split("What changed")[0]

    assert "Verdict ready: “Fresh”" in todo
    assert "At least 310 and most likely 420 contacts avoided" in todo
    assert "Stale" not in todo


def test_what_got_worse_stands_before_what_got_better(manager, session):
    theme = add_data(session)
    for title, verdict, avoided in (
        ("Better", Verdict.FELL, (310.0, 420.0, 540.0)),
        ("Worse", Verdict.ROSE, (-240.0, -150.0, -60.0)),
    ):
        _, intervention = add_shipped(session, theme, title=title)
        make_measurement(
            session, intervention, as_of=CUT, look=4, is_look=True, verdict=verdict, avoided=avoided
        )

    todo = text_of(manager.get("/")).split("For you")[1]

    assert todo.index("“Worse” made it worse") < todo.index("Verdict ready: “Better”")
    assert "150 more contacts came" in todo


def test_a_failed_job_is_told_until_the_next_one_of_its_kind_is_done(manager, session):
    add_data(session)
    session.add(Job(kind=JobKind.NIGHTLY_ROUND, state=JobState.FAILED, queued_by="Night"))
    session.flush()
    assert "Nightly round failed" in manager.get("/")

    session.add(Job(kind=JobKind.NIGHTLY_ROUND, state=JobState.DONE, queued_by="Night"))
    assert "Nightly round failed" not in manager.get("/")


def test_nobody_but_managers_hears_of_failed_jobs(sign_in_as, session):
    session.add(Job(kind=JobKind.NIGHTLY_ROUND, state=JobState.FAILED, queued_by="Night"))

    assert "Nightly round failed" not in sign_in_as(Role.EXECUTIVE).get("/")


def test_an_administrator_is_asked_for_the_cost_of_a_minute_when_there_is_impact(
    sign_in_as, session, settings
):
    page = sign_in_as(Role.ADMIN)
    add_shipped(session, add_data(session))
    assert "Nobody has said what an agent minute costs" not in page.get("/")

    object.__setattr__(settings, "pence_per_minute", 0.0)
    assert "Nobody has said what an agent minute costs" in page.get("/")


def note(session, summary, at=NOW, verb="themes.renamed", **values):
    with as_if(at):
        record_event(
            session,
            by=NIGHT,
            verb=verb,
            target_kind="theme",
            target_id=None,
            summary=summary,
            **values,
        )
        session.flush()


def test_themes_whose_fix_did_not_hold_wait_for_the_manager_and_not_for_the_executive(
    manager, sign_in_as, session
):
    make_theme(session, status=ThemeStatus.NOT_HELD)
    make_theme(session, status=ThemeStatus.HELD)

    html = manager.get("/")

    assert "1 theme did not hold" in text_of(html)
    assert 'href="/themes/?view=open&amp;status=not_held"' in html
    assert "did not hold" not in text_of(sign_in_as(Role.EXECUTIVE).get("/"))


def test_what_changed_begins_where_the_last_visit_began_and_survives_a_reload(manager, session):
    note(session, "long ago", NOW - timedelta(days=8))
    note(session, "lately", NOW - timedelta(days=2))

    first = text_of(manager.get("/"))
    assert "in the last 7 days" in first
    assert "lately" in first
    assert "long ago" not in first

    with as_if(NOW + timedelta(minutes=29)):
        assert "lately" in manager.get("/"), "a reload must not empty the list"

    note(session, "afterwards", NOW + timedelta(hours=2))
    with as_if(NOW + timedelta(hours=3)):
        later = text_of(manager.get("/"))
        again = text_of(manager.get("/"))
    assert "since you last looked, Tue 12 May 2026, 10:00" in later  # 9:00 UTC in London
    assert "afterwards" in later
    assert "lately" not in later
    assert "afterwards" in again


def test_a_look_after_which_nothing_changed_shows_what_changed_last(manager, session):
    add_data(session)
    for number in range(6):
        note(session, f"change {number}", NOW - timedelta(days=30 - number))
    manager.get("/")

    with as_if(NOW + timedelta(hours=3)):
        later = text_of(manager.get("/")).split("What changed")[1]

    assert "nothing since you last looked" in later
    assert "Before that" in later
    assert "change 5." in later
    assert "change 0" not in later, "the newest five are enough"


def test_a_reason_that_is_a_sentence_is_not_closed_twice(manager, session):
    theme = add_data(session)
    make_action(
        session, theme, ActionStatus.HANDED_BACK, title="Ask once", hand_back_reason="Not ours."
    )

    text = text_of(manager.get("/"))

    assert ": Not ours)." in text


def test_what_changed_tells_nobody_but_administrators_of_accounts(sign_in_as, session):
    note(session, "made a secret token", verb="accounts.token_added")

    assert "made a secret token" not in sign_in_as(Role.CX_MANAGER).get("/changes")
    assert "made a secret token" in sign_in_as(Role.ADMIN).get("/changes")


def test_changes_page_shows_more(manager, session):
    for number in range(53):
        note(session, f"change number {number}.")

    html = manager.get("/changes")
    assert "change number 52." in html
    assert "change number 2." not in html

    more = html.split('rel="next" href="')[1].split('"')[0]
    rest = manager.get(more.replace("&amp;", "&"))
    assert "change number 2." in rest
    assert "change number 3." not in rest


def test_what_changed_stands_by_its_own_day_and_names_each_thing_once(manager, session):
    theme = make_theme(session, name="Card not arrived")
    note(session, "read the last file", NOW - timedelta(hours=1))
    with as_if(NOW - timedelta(days=2)):  # written down later, because it belongs to that day
        for summary in ("named it Card not arrived", "took it on"):
            record_event(
                session,
                by=NIGHT,
                verb="themes.renamed",
                target_kind="theme",
                target_id=theme.id,
                summary=summary,
            )
            session.flush()

    text = text_of(manager.get("/changes"))
    file_id = session.scalar(
        sa.select(AuditEvent.id).where(AuditEvent.summary == "read the last file")
    )
    older = text_of(manager.get(f"/changes?before={file_id}"))

    assert text.index("read the last file") < text.index("took it on. Card not arrived")
    assert "named it Card not arrived. See it" in text
    assert "read the last file" not in older
    assert "took it on" in older, "older than the file, though written down after it"


def test_the_chart_marks_go_lives_and_what_is_maturing(manager, session):
    add_shipped(session, add_data(session), title="Text </script> when posted")

    html = manager.get("/")

    assert '"maturing_from":"2026-05-05"' in html
    assert '{"day":"2026-03-03","label":"Text \\u003c/script\\u003e when posted"}' in html
    assert "5 May to 11 May 2026, maturing" in text_of(html)


def test_the_csv_leaves_out_days_of_fewer_contacts_than_may_be_shown(manager, session):
    add_data(session, days=30)
    session.execute(
        sa.update(DailyRollup)
        .where(DailyRollup.day == date(2026, 4, 20))
        .values(contacts=3, identified=3, any_7d=2)
    )
    slice_again(session)

    lines = manager.raw("/repeat-contacts.csv").text.splitlines()

    assert len(lines) == 31
    assert next(line for line in lines if line.startswith("2026-04-20")).split(",")[1:4] == [
        "not shown",
        "",
        "",
    ]
    assert next(line for line in lines if line.startswith("2026-05-11")).split(",")[2] == ""
    assert next(line for line in lines if line.startswith("2026-05-01")).split(",")[2:6] == [
        *("0.2", "0.1", "0.2", "0.1"),  # shares that a table can add up
    ]


def test_home_takes_the_same_number_of_statements_when_everything_doubles(manager, session):
    def fill():
        for status in (ThemeStatus.REOPENED, ThemeStatus.CANDIDATE, ThemeStatus.TRIAGED):
            make_stats(session, make_theme(session, status))
        _, intervention = add_shipped(session)
        make_measurement(session, intervention, as_of=date(2026, 5, 5), look=4, is_look=True)
        make_action(session, due_on=date(2026, 5, 1))
        note(session, "something")

    add_data(session)
    fill()
    manager.get("/")
    once = statements_of(manager, "/")
    fill()
    fill()

    assert statements_of(manager, "/") == once
    assert once <= 20


def test_data_without_words_are_not_sent_to_look_for_themes(manager, session):
    make_contact(session, text=None)
    text = text_of(manager.get("/"))
    assert "hold no words of customers" in text
    assert "Import words" in text


def test_contacts_without_customers_are_told_apart_from_days_too_young(manager, session):
    make_contact(session)
    make_rollup(session, make_theme(session), date(2026, 3, 2), 4, identified=0)
    text = text_of(manager.get("/"))
    assert "No contact of these months has a known customer" in text
