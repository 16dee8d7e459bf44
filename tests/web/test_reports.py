"""The executive report in the browser."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.clock import today
from closedloop.domain.impact import Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.repeats import Day, Trend
from closedloop.web.report_trend import BOTTOM, LEFT, RIGHT, draw_trend, weeks_of
from closedloop.web.reports import TABLE_ROWS
from tests.factories.contacts import make_contact
from tests.factories.impact import make_comeback, make_measurement
from tests.factories.power import make_check
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_action, make_intervention, make_stats, make_theme
from tests.pages import text_of
from tests.statements import statements_of

FIRST, CUT = date(2025, 11, 10), date(2026, 5, 11)


@pytest.fixture
def site(session):
    """Contacts of half a year; repeats fell from 30 % to 20 % in the middle."""
    theme = make_theme(session, ThemeStatus.TRIAGED)
    for i in range((CUT - FIRST).days + 1):
        repeats = 30 if i < 90 else 20
        day = FIRST + timedelta(days=i)
        make_rollup(session, theme, day, 100, any_7d=repeats, same_7d=repeats // 2)
    for day in (FIRST, CUT):
        make_contact(session, started_at=datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
    return session


def test_without_contacts_the_report_teaches(manager):
    assert "There is nothing to report yet" in text_of(manager.get("/reports/"))


def test_the_report_states_ranges_trend_verdicts_and_definitions(manager, site):
    make_measurement(site, make_intervention(site))
    rose = make_intervention(site)
    make_measurement(site, rose, verdict=Verdict.ROSE, avoided=(-90, -60, -30))

    text = text_of(manager.get("/reports/"))

    # counted over the same days against the same themes: a quarter of the errors is in common
    assert "239 to 491 contacts avoided; one change made it worse" in text
    assert "32 to 65 hours" in text
    assert text.index("32 to 65 hours") < text.index("£1,100 to £2,500, not cash")
    assert "any reason 30.0 % and 20.0 %, same theme 15.0 % and 10.0 %" in text
    assert "at least 310 contacts avoided since 3 March 2026" in text
    assert "made it worse: 30 to 90 more contacts came than expected" in text
    assert "Data to 11 May 2026, Europe/London" in text
    assert "10 Nov 2025 to 11 May 2026" in text


def test_what_came_back_frees_nobody_in_the_report(manager, site):
    intervention = make_intervention(site)
    make_measurement(site, intervention)
    make_comeback(site, intervention)

    text = text_of(manager.get("/reports/"))

    assert "310 to 540" in text
    assert "41 to 72 hours Capacity. Full-time people without those of 1 fix whose" in text
    assert "full-time people at this pace" not in text


def test_a_fall_that_moved_is_drawn_and_told_by_its_net(manager, site):
    net = {"low": -50.0, "avoided": 10.0, "high": 70.0}
    moved = make_intervention(site)
    make_measurement(site, moved, detail={"displacement": "moved", "net": net})

    html = manager.get("/reports/")
    row = html[html.index("What was shipped, and what it did") :].split("</section>")[0]

    assert "net −50 to 70" in text_of(row)
    assert 'aria-label="−50 to 70 contacts avoided"' in row
    assert "cl-interval--fell" not in row
    assert "310 to 540" not in row


def test_an_inconclusive_verdict_alone_is_no_headline_and_no_money(manager, site):
    detail = {"share_of_controls_moved": 0.25, "controls_tried": 12}
    make_measurement(site, make_intervention(site), verdict=Verdict.INCONCLUSIVE, detail=detail)

    text = text_of(manager.get("/reports/"))

    assert "Nothing can be claimed yet: one verdict is inconclusive" in text
    assert "1 verdict is inconclusive, so nothing is claimed." in text
    assert (
        "cannot be told: something else may have happened as well: 3 of 12 unaffected themes"
        in text
    )
    assert "full-time people at this pace" not in text
    assert "1 inconclusive action is not in the sums." in text
    home = text_of(manager.get("/"))
    assert "1 of 1 shipped action is inconclusive, so nothing is claimed." in home


def test_the_csv_of_the_actions_holds_those_of_the_period_as_it_knew_them(manager, site):
    early = make_intervention(site, went_live_on=date(2025, 12, 1))
    late = make_intervention(site, went_live_on=date(2026, 3, 3))
    make_measurement(site, late, as_of=date(2026, 3, 16), avoided=(50, 120, 190))
    make_measurement(site, late, as_of=date(2026, 4, 14))

    html = manager.get("/reports/?from=2026-01-01&to=2026-03-31")
    found = re.search(r'href="([^"]+)"[^>]*>(?:<svg.*?</svg>)?CSV of the actions', html)
    text = manager.raw(found[1].replace("&amp;", "&")).text.lstrip("\ufeff")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Action"] for row in rows] == [late.action.key]
    assert early.action.key not in text
    assert rows[0]["Data to"] == "2026-03-16"
    assert rows[0]["Avoided, most likely"] == "120.0"


def test_before_the_first_contact_the_csv_of_the_actions_has_its_head_alone(manager):
    text = manager.raw("/reports/actions.csv").text

    assert text.count("\n") == 1
    assert "Avoided, most likely" in text


def test_rows_that_do_not_fit_say_how_many_of_them_are_added(manager, site):
    for _ in range(TABLE_ROWS + 1):
        make_measurement(site, make_intervention(site), avoided=(900, 1000, 1100))
    make_measurement(site, make_intervention(site), verdict=Verdict.INCONCLUSIVE)

    text = text_of(manager.get("/reports/"))

    assert "2 more actions (1 with a verdict to add) together avoided 900 to 1,100" in text


def test_a_fix_that_came_back_is_in_the_title_and_among_the_decisions(manager, site):
    theme = make_theme(site, ThemeStatus.REOPENED, name="Refund not received")
    intervention = make_intervention(site, make_action(site, theme, ActionStatus.EFFECTIVE))
    make_measurement(site, intervention)
    make_comeback(site, intervention)

    text = text_of(manager.get("/reports/"))

    assert "one fix came back" in text
    assert "decide how “Refund not received” is repaired; it came back on 28 Apr 2026." in text
    assert "at least 310 contacts avoided" not in text  # not among what worked


def test_the_foot_says_how_often_the_method_cried_wolf_here(manager, site):
    assert "cried wolf" not in text_of(manager.get("/reports/"))
    make_check(site, sd_z=1.31)

    text = text_of(manager.get("/reports/"))

    assert "the method cried wolf 9 times: 2.9 % (1.5 to 5.4 %). Results lay 1." in text
    assert "1.31 times as wide" in text


def test_a_title_without_spaces_is_cut_and_not_left_out(manager, site):
    make_action(site, title="卡" * 90, due_on=today("Europe/London") - timedelta(days=1))

    assert f"“{'卡' * 69}…” is overdue since" in text_of(manager.get("/reports/"))


def test_decisions_name_what_is_overdue_handed_back_and_waiting(manager, site):
    now = today("Europe/London")
    make_action(site, title="Late one", due_on=now - timedelta(days=1))
    make_action(
        site,
        title="Odd one",
        status=ActionStatus.HANDED_BACK,
        due_on=now + timedelta(days=9),
    )
    make_action(site, title="Coming one", due_on=now + timedelta(days=9))
    make_stats(site, make_theme(site, ThemeStatus.CANDIDATE), contacts=900)

    text = text_of(manager.get("/reports/"))
    coming, decisions = text.split("Decisions needed")

    assert "“Late one” is overdue since" in decisions
    assert "“Odd one” needs another home." in decisions
    assert "decide on one candidate theme. 900 contacts in 90 days" in decisions
    assert "Coming one:" in coming
    assert "Odd one" not in coming
    assert "Late one" not in coming


def test_the_drawing_has_its_weeks_as_a_table_and_the_headline_its_rule(manager, site):
    html = manager.get("/reports/")

    assert "Table: repeat contacts within 7 days" in html
    assert "Middles are added up; ends are not" in html


def test_a_list_that_is_cut_says_how_many_more_there_are_and_leads_to_all_of_them(manager, site):
    now = today("Europe/London")
    for i in range(5):
        make_action(site, title=f"Late {i}", due_on=now - timedelta(days=i + 1))
        make_action(site, title=f"Coming {i}", due_on=now + timedelta(days=i + 1))
        make_measurement(site, make_intervention(site))

    cut = manager.get("/reports/?from=2026-01-01&to=2026-05-11")

    text = text_of(cut)
    assert "and 2 more under “What worked”" in text
    assert "and 2 more under “Decisions needed”" in text
    assert "and 2 more under “What is next”" in text
    assert "under “What did not work" not in text
    assert text.count("is overdue since") == 3
    address = "/reports/?lists=full&from=2026-01-01&to=2026-05-11"
    assert f"The lists in full: http://localhost{address}" in text  # on paper
    found = re.search(r'href="([^"]+)#decisions"', cut)
    assert found[1].replace("&amp;", "&") == address

    full = text_of(manager.get(address))

    assert full.count("is overdue since") == 5
    assert full.count("contacts avoided since") == 5
    assert "more under" not in full
    assert "The lists in full:" not in full
    assert "Cut them to one printed page" in full


def test_a_period_can_be_asked_for_and_nonsense_is_said(manager, site):
    make_measurement(site, make_intervention(site))

    march = text_of(manager.get("/reports/?from=2026-03-04&to=2026-03-31"))
    assert "No action went live in this period. 1 action went live before it." in march
    assert "No change has a verdict yet" in march
    for query, words in (
        ("from=soon", "“soon” is not a day"),
        ("from=2026-05-01&to=2026-04-01", "ends before it begins"),
        ("from=2027-01-01&to=2027-02-01", "reach from 10 Nov 2025 to 11 May 2026: none are of"),
        ("from=2020-01-01&to=2020-02-01", "reach from 10 Nov 2025 to 11 May 2026: none are of"),
    ):
        text = text_of(manager.get(f"/reports/?{query}"))
        assert words in text
        assert "10 Nov 2025 to 11 May 2026" in text
    early = text_of(manager.get("/reports/?to=2025-11-10"))
    assert "10 Nov 2025 to 10 Nov 2025" in early
    assert "ends before" not in early


def test_more_actions_than_fit_are_summed_up(manager, site):
    for _ in range(10):
        make_measurement(site, make_intervention(site), avoided=(300, 400, 500))

    text = text_of(manager.get("/reports/"))

    assert "2 more actions together avoided 642 to 958 contacts" in text


def test_without_a_cost_of_a_minute_no_money_is_shown(sign_in_as, site, settings):
    make_measurement(site, make_intervention(site), pence_per_minute=0.0)
    page = sign_in_as(Role.ADMIN)
    page.app.config["SETTINGS"] = type(settings)(**{**vars(settings), "pence_per_minute": 0.0})

    html = page.get("/reports/")

    assert "finance has not set what an agent minute costs" in text_of(html)
    assert 'href="/admin/' in html
    assert "£" not in text_of(html)


def test_titles_are_escaped_and_cut(manager, site):
    title = "<b>" + "long title " * 14
    make_measurement(site, make_intervention(site, make_action(site, title=title)))

    html = manager.get("/reports/")

    assert "<b>long" not in html
    assert "long title …" in text_of(html)


def test_the_trend_as_csv_leaves_maturing_days_empty(manager, site):
    found = manager.raw("/reports/trend.csv?from=2026-04-01").text.lstrip("\ufeff")
    rows = list(csv.reader(io.StringIO(found)))

    assert rows[1][:3] == ["2026-04-01", "0.2", "0.1"]
    assert rows[-1] == ["2026-05-11", "", "", "", ""]
    assert rows[-7][1] == ""
    assert rows[-8][0] == "2026-05-04"
    assert rows[-8][1] == "0.2"


def test_executives_read_it_and_get_no_link_they_may_not_follow(sign_in_as, site):
    html = sign_in_as(Role.EXECUTIVE).get("/reports/")

    assert 'href="/triage' not in html
    assert 'href="/admin' not in html


def test_statements_do_not_grow_with_actions(manager, site):
    def add():
        for _ in range(3):
            make_measurement(site, make_intervention(site))
            make_action(site, due_on=date(2026, 6, 1))
            make_theme(site, ThemeStatus.REOPENED)

    add()
    before = statements_of(manager, "/reports/")
    add()

    assert statements_of(manager, "/reports/") == before


def day_of(i: int, any7: float | None, same7: float | None) -> Day:
    return Day(FIRST + timedelta(days=i), 100, 100, any7, same7, any7, same7)


def test_the_weeks_beside_the_drawing_end_on_the_newest_day_that_is_known():
    days = [day_of(i, 0.2, i / 100 if i > 2 else None) for i in range(10)]
    days += [day_of(i, None, None) for i in range(10, 13)]

    assert weeks_of(Trend(days, days[10].day)) == [
        ("12 Nov", "20.0\u202f%", "–"),
        ("19 Nov", "20.0\u202f%", "9.0\u202f%"),
    ]


def test_the_drawing_spans_the_frame_and_hatches_what_is_open():
    days = [day_of(i, 0.2, 0.1) for i in range(21)]
    days += [day_of(i, None, None) for i in range(21, 28)]
    drawing = draw_trend(Trend(days, days[21].day), [days[7].day, date(2020, 1, 1)])

    assert drawing is not None
    assert drawing.any_line.startswith(f"{LEFT},")
    assert drawing.hatch_from == round(LEFT + (RIGHT - LEFT) * 21 / 27, 1)
    assert len(drawing.marks) == 1  # a go-live outside the period is left out
    assert drawing.rates[0].at == BOTTOM
    assert [tick.label for tick in drawing.rates][-1] == "25"
    first = [float(point.split(",")[1]) for point in drawing.any_line.split()]
    second = [float(point.split(",")[1]) for point in drawing.same_line.split()]
    assert BOTTOM - second[0] == pytest.approx((BOTTOM - first[0]) / 2, abs=0.1)


def test_labels_of_lines_that_meet_do_not_cover_each_other():
    days = [day_of(i, 0.2, 0.199) for i in range(21)]
    drawing = draw_trend(Trend(days, None), [])

    assert drawing is not None
    assert drawing.same_label - drawing.any_label >= 10


def test_too_few_days_draw_nothing():
    assert draw_trend(Trend([day_of(0, 0.2, 0.1), day_of(1, None, None)], None), []) is None
