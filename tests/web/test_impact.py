"""Pages of impact: the portfolio, one action, and each stored measurement."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime, timedelta

import pytest

from closedloop.domain.accounts import Role
from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import LOOK_DAYS, Verdict
from closedloop.domain.themes import ThemeStatus
from closedloop.models import ImpactMeasurement
from closedloop.services.impact import measure_intervention
from tests.factories.contacts import make_contact
from tests.factories.impact import (
    PRE_DAYS,
    copy_measurement,
    make_comeback,
    make_detail,
    make_measurement,
)
from tests.factories.series import add_days, draw_counts, make_controls, make_definitions
from tests.factories.themes import make_action, make_intervention, make_theme
from tests.pages import text_of
from tests.statements import statements_of

LIVE = date(2026, 3, 3)
LOOK_1, LOOK_2 = date(2026, 3, 16), date(2026, 3, 30)
MOVED = {"displacement": "moved", "net": {"low": -50.0, "avoided": 10.0, "high": 70.0}}


def key_of(intervention) -> str:
    return intervention.action.key


def chart(html: str, name: str):
    found = re.search(rf'id="{name}-data">(.*?)</script>', html)
    assert found, f"no chart {name}"
    return json.loads(found[1])


def rows_of(page, url):
    return list(csv.reader(io.StringIO(page.raw(url).text.lstrip("\ufeff"))))


def test_an_empty_portfolio_teaches_what_will_be_here(manager):
    assert "Nothing has been shipped yet" in text_of(manager.get("/impact/"))


def test_the_portfolio_shows_range_verdict_look_and_total(manager, session):
    one = make_intervention(session)
    make_measurement(session, one)
    make_intervention(session, went_live_on=date(2026, 4, 1))

    html = manager.get("/impact/")
    text = text_of(html)

    assert "310 to 540 contacts avoided by 1 action, most likely 420." in text
    assert "1 shipped action is not in it" in text
    assert "30 Mar 2026 look 2" in text  # the next look
    assert "1 verdict stands behind it: 1 fell. 1 more shipped action has no range" in text
    assert "not yet known" in text
    assert f'href="/impact/{key_of(one)}"' in html
    assert "41 to 72 hours" in text  # 310 × 8 min to 540 × 8 min
    assert "£1,500 to £2,700" in text


def test_the_portfolio_marks_what_came_back_and_what_moved(manager, session):
    back = make_intervention(session)
    make_measurement(session, back)
    make_comeback(session, back)
    make_measurement(session, make_intervention(session), detail=MOVED)

    text = text_of(manager.get("/impact/"))

    assert "came back since 28 Apr" in text
    assert "contacts moved" in text
    assert "counted with the themes that the contacts moved to" in text


def test_what_came_back_keeps_its_contacts_and_loses_its_pace(manager, session):
    action = make_action(session, cost_low=3_000_000.0, cost_high=4_000_000.0)
    back = make_intervention(session, action)
    make_measurement(session, back)
    make_comeback(session, back)
    without = "Full-time people without those of 1 fix whose contacts came back."

    everything = text_of(manager.get("/impact/"))
    page = text_of(manager.get(f"/impact/{action.key}"))

    assert "310 to 540 contacts avoided by 1 action" in everything
    assert without in everything
    assert "full-time people at this pace" not in everything
    assert "none any more: the contacts came back since 28 Apr 2026" in page
    assert "It cannot be told: the contacts came back." in page
    look = session.query(ImpactMeasurement).one()
    stood = text_of(manager.get(f"/impact/{action.key}?measurement={look.id}"))
    assert "none any more" not in stood
    assert "Between " in stood
    make_measurement(session, make_intervention(session))
    session.commit()
    both = text_of(manager.get("/impact/"))
    assert "full-time people at this pace" in both
    assert without in both


def test_the_portfolio_of_one_department(manager, session):
    mine, other = make_intervention(session), make_intervention(session)
    for intervention in (mine, other):
        make_measurement(session, intervention)

    html = manager.get(f"/impact/?department={mine.action.department_id}&after=junk")

    assert f"/impact/{key_of(mine)}" in html
    assert f"/impact/{key_of(other)}" not in html
    assert "by 1 action" in text_of(html)


def test_the_portfolio_is_filtered_by_verdict_and_period_and_the_total_with_it(manager, session):
    fell, rose = make_intervention(session), make_intervention(session)
    late = make_intervention(session, went_live_on=date(2026, 5, 1))
    make_measurement(session, fell)
    make_measurement(session, rose, verdict=Verdict.ROSE, avoided=(-240, -150, -60))
    make_measurement(session, late, avoided=(10, 20, 30))

    html = manager.get("/impact/?verdict=rose&from=2026-03-01&to=2026-04-30")

    assert [key_of(one) in html for one in (fell, rose, late)] == [False, True, False]
    assert "60 to 240 more contacts came than expected, after 1 action" in text_of(html)
    html = manager.get("/impact/?from=2026-05-01&to=2026-05-01")
    assert [key_of(one) in html for one in (fell, rose, late)] == [False, False, True]
    rows = rows_of(manager, "/impact/impact.csv?verdict=rose")
    assert [row[0] for row in rows[1:]] == [key_of(rose)]
    assert "No shipped action fits these filters" in text_of(manager.get("/impact/?verdict=moved"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("from=2026-02-30", "“2026-02-30” is not a day and was left out."),
        ("from=2026-05-02&to=2026-05-01", "The period ends before it begins"),
        ("verdict=splendid", "“splendid” is no verdict, so all are shown."),
    ],
)
def test_a_filter_that_makes_no_sense_is_said_and_left_out(manager, session, query, words):
    intervention = make_intervention(session)

    html = manager.get(f"/impact/?{query}")

    assert words in text_of(html)
    assert f"/impact/{key_of(intervention)}" in html


def test_the_portfolio_goes_on_page_by_page_with_its_filters(manager, session, monkeypatch):
    monkeypatch.setattr("closedloop.web.impact.PAGE_ROWS", 2)
    keys = [
        key_of(make_intervention(session, went_live_on=date(2026, 3, day))) for day in (1, 2, 2, 3)
    ]
    seen, url = [], "/impact/?verdict=too_early"

    while url:
        html = manager.get(url)
        seen += re.findall(r'href="/impact/(A-\d+)" data-open', html)
        found = re.search(r'rel="next" href="([^"]+)"', html)
        url = found[1].replace("&amp;", "&") if found else ""

    assert sorted(seen) == sorted(keys)
    assert seen[0] == keys[3]


def test_a_total_that_holds_zero_says_that_no_fall_can_be_shown(manager, session):
    make_measurement(
        session, make_intervention(session), verdict=Verdict.NO_CHANGE, avoided=(-60, 25, 110)
    )

    assert "It holds zero: taken together no fall can be shown." in text_of(manager.get("/impact/"))


def test_a_failed_check_questions_the_claim_beside_it(manager, session):
    said = "In the 26 weeks before the change contacts were falling already."
    live = make_intervention(session)
    checks = [{"name": "earlier_trend", "state": "warn", "sentence": said}]
    make_measurement(session, live, detail={"checks": checks})

    html = manager.get(f"/impact/{key_of(live)}")
    answer = text_of(html).partition("What else could explain it")[0]
    assert f"Before you rely on it: {said}" in answer
    but = "But contacts were going that way before the change already."
    assert but in text_of(manager.get(f"/actions/{key_of(live)}"))


def test_what_claims_nothing_is_not_questioned(manager, session):
    live = make_intervention(session)
    checks = [{"name": "earlier_trend", "state": "warn", "sentence": "Falling."}]
    make_measurement(
        session, live, detail={"checks": checks}, verdict=Verdict.INCONCLUSIVE, avoided=(-9, 4, 30)
    )
    assert "Before you rely on it" not in manager.get(f"/impact/{key_of(live)}")


def test_an_impact_page_answers_first_and_shows_the_plan_and_the_checks(manager, session):
    intervention = make_intervention(
        session, plan={"smallest_drop": 0.2, "controls": ["T-1", "T-2"], "siblings": ["T-012"]}
    )
    make_measurement(session, intervention)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "At least 310 and most likely 420 contacts avoided since 3 March 2026" in text
    assert "worth having: 412 (20 %)" in text
    assert "41 to 72 hours" in text
    assert "£1,500 to £2,700" in text
    assert "fails Contacts came up beside it." in text
    assert "Did they go elsewhere?" in text
    assert "1 of 2 checks passed, 1 fails, 1 not applicable" in text
    assert "Next look: Mon 30 Mar 2026" in text
    assert "The fall holds against 14 unaffected themes." in text


@pytest.mark.parametrize(
    ("verdict", "avoided", "words"),
    [
        (Verdict.ROSE, (-240, -150, -60), "At least 60 and most likely 150 more contacts came"),
        (Verdict.NO_CHANGE, (-60, 25, 110), "No change can be shown."),
        (Verdict.INCONCLUSIVE, (-60, 200, 480), "It cannot be told yet."),
        (Verdict.NOT_ENOUGH_DATA, (-60, 25, 110), "There is not enough data to tell."),
    ],
)
def test_every_verdict_has_its_sentence(manager, session, verdict, avoided, words):
    intervention = make_intervention(session)
    make_measurement(session, intervention, verdict=verdict, avoided=avoided)

    assert words in text_of(manager.get(f"/impact/{key_of(intervention)}"))


def test_an_inconclusive_verdict_claims_nothing_and_says_what_else_happened(manager, session):
    action = make_action(
        session, status=ActionStatus.SHIPPED, cost_low=100.0, cost_high=200.0, smallest_drop=0.1
    )
    make_measurement(
        session,
        make_intervention(session, action),
        verdict=Verdict.INCONCLUSIVE,
        avoided=(318, 530, 749),
        p_value=6e-7,
        detail={"share_of_controls_moved": 0.25, "controls_tried": 12},
    )

    text = text_of(manager.get(f"/impact/{action.key}"))
    everything = text_of(manager.get("/impact/"))

    moved = (
        "something else may have happened as well: 3 of 12 unaffected themes moved on the same date"
    )
    assert f"Between 318 and 749 contacts avoided since 3 March 2026 (95 %), but {moved}." in text
    for words in ("chance has not been ruled out", "worth having (", "Between 3 March"):
        assert words not in text
    assert "15 % to 36 % fewer, most likely 26 %, but inconclusive" in text
    assert "It cannot be told while the verdict is inconclusive." in text
    assert "Nothing can be claimed yet." in everything
    assert "1 shipped action is not in it: 1 inconclusive." in everything
    assert "contacts avoided by" not in everything


def test_the_plan_stands_beside_what_happened(manager, session):
    plan = {
        "expected_drop": 0.3,
        "smallest_drop": 0.2,
        "due_on": "2026-03-01",
        "theme": {"id": 1, "key": "T-777", "name": "As it was called"},
        "definition_number": 2,
        "owner": {"id": 9999, "name": "Lena Marsh"},
        "department": {"id": 1, "name": "Cards"},
        "shipped_by": "Priya Nair",
        "looks": ["2026-03-16", "2026-03-30"],
        "controls": ["T-1", "T-2"],
        "siblings": ["T-012"],
        "handle_seconds": 510.0,
    }
    intervention = make_intervention(session, plan=plan)
    siblings = [{"id": 2, "key": "T-012", "name": "PIN", "low": -20.0, "high": 30.0}]
    left_out = [{"key": "T-044", "name": "Fees", "reason": "has a fix of its own"}]
    make_measurement(session, intervention, detail={"siblings": siblings, "left_out": left_out})

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    for words in (
        "30 % fewer expected, 20 % fewer contacts or better worth having",
        "15 % to 26 % fewer, most likely 20 %",
        "by 1 Mar 2026 3 Mar 2026, 2 days late",
        "T-777 As it was called, definition 2",
        "Lena Marsh, Cards; shipped by Priya Nair",
        "2 unaffected themes 14 themes, 1 left out",
        "T-012: −20 to 30 avoided",
        "16 Mar 2026: fell, next with data to 30 Mar 2026",
        "8.5 minutes a contact",
        "T-044 Fees: has a fix of its own.",
    ):
        assert words in text, words


def figures(low, middle, high, verdict="fell"):
    span = {"low": low, "avoided": middle, "high": high}
    return {"observed": 900, "expected": 900 + middle, "p_value": 0.01, "verdict": verdict, **span}


def test_where_it_happened_shows_what_was_touched_what_is_beside_it_and_the_net(manager, session):
    intervention, twin = make_intervention(session), make_intervention(session)
    detail = {
        "parts": [
            {"id": 1, "key": "T-901", "name": "Card lost", **figures(200.0, 300.0, 400.0)},
            {"id": 2, "key": "T-902", "name": "Card stolen", **figures(40.0, 120.0, 200.0)},
        ],
        "siblings": [
            {"id": 3, "key": "T-903", "name": "Card broken", **figures(-90.0, -60.0, -30.0, "rose")}
        ],
        "net": figures(210.0, 360.0, 510.0),
        "channel_figures": [{"channel": "phone", **figures(301.0, 400.0, 501.0)}],
        "joint": [
            {"id": 1, "key": key_of(intervention), "title": "This one", "day": "2026-03-03"},
            {"id": 2, "key": key_of(twin), "title": "Its twin", "day": "2026-03-10"},
        ],
    }
    make_measurement(session, intervention, detail=detail)

    html = manager.get(f"/impact/{key_of(intervention)}")
    text = text_of(html.split('id="where-title"')[1].split("</section>")[0])

    for words in (
        "T-901 Card lost touched by the change 900 1,200",
        "What it touched, together the headline 1,640 2,060",
        "T-903 Card broken watched beside it 900 840",
        "−90 to −30",
        "With what is beside it net",
        "210 to 510",
        "Phone channel",
        "301 to 501",
        f"Measured as one change with {key_of(twin)} Its twin",
    ):
        assert words in text, words
    assert "This one" not in text


def test_what_was_left_out_or_widened_is_told_beside_the_answer(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, detail={"gap_days": 14, "widened_by": 1.3})

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "The last 14 days before the change were unusually busy" in text
    assert "Ranges were made 1.3 times as wide" in text


def test_not_enough_data_shows_no_range_and_no_money(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, verdict=Verdict.NOT_ENOUGH_DATA)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "No range is shown" in text
    assert "£" not in text.split("How it is measured")[0]
    assert "310 to 540" not in text


def test_between_looks_the_estimate_runs_and_the_verdict_stays(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1)
    make_measurement(session, intervention, as_of=date(2026, 3, 20), avoided=(600, 700, 800))
    make_contact(session, local_day=date(2026, 3, 20))

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "At least 310" in text
    assert "with data to 20 Mar 2026: 600 to 800 contacts avoided (95 %)." in text
    assert "Not yet a verdict" in text
    assert "It reads data to 30 Mar 2026, 10 more days." in text


def test_the_days_to_the_next_look_are_counted_from_the_data(manager, session):
    live = date(2025, 6, 3)
    intervention = make_intervention(session, went_live_on=live)
    looks = [live + timedelta(days=days - 1) for days in LOOK_DAYS]
    make_measurement(session, intervention, as_of=looks[4])
    # half a year after go-live the running estimate is made once a week only
    make_measurement(session, intervention, as_of=looks[5] - timedelta(days=15))
    make_contact(session, local_day=looks[5] - timedelta(days=10))

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))
    assert f"It reads data to {looks[5]:%-d %b %Y}, 10 more days." in text

    make_contact(session, local_day=looks[5])
    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))
    assert "which are there: the next night speaks it, unless imports or volumes" in text


def test_a_later_change_to_the_theme_takes_over_and_the_page_says_when(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LIVE + timedelta(days=83))  # look 4
    later = make_action(session, intervention.theme, ActionStatus.SHIPPED)
    make_intervention(session, later, went_live_on=LIVE + timedelta(days=100))

    html = manager.get(f"/impact/{key_of(intervention)}")
    text = text_of(html)

    assert "A later change took over" in text
    assert "Look 5, 24 Aug" not in html  # nor does a chart wait for it
    assert "From 11 Jun 2026 on a later change to the same theme is measured instead." in text


def test_a_roll_out_in_stages_is_told_as_counted(manager, session):
    stages = [{"day": LIVE.isoformat(), "share": 0.5}]
    staged = make_intervention(session, rollout_days=14, stages=stages)
    at_once = make_intervention(session, rollout_days=14)
    for one in (staged, at_once):
        make_measurement(session, one, as_of=LIVE + timedelta(days=20), verdict=Verdict.TOO_EARLY)

    text = text_of(manager.get(f"/impact/{key_of(staged)}"))
    other = text_of(manager.get(f"/impact/{key_of(at_once)}"))

    assert "in stages over 14 days, all of them counted" in text
    assert "Roll-out, not counted" not in text
    assert "14 days of roll-out, counted from 17 March 2026" in other or "17 Mar 2026" in other
    assert "Roll-out, not counted" in other


def test_before_the_first_look_nothing_is_called_a_fall(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=date(2026, 3, 10), verdict=Verdict.TOO_EARLY)

    html = manager.get(f"/impact/{key_of(intervention)}")
    text = text_of(html)

    assert "Too early to say. 8 days are counted" in text
    assert "cl-verdict--fell" not in html
    assert "not yet known" in text


def test_a_page_before_anything_was_measured_says_when(manager, session):
    intervention = make_intervention(session, rollout_days=3)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "Not measured yet" in text
    assert "first look: data to 19 Mar 2026" in text


def test_a_comeback_stands_first(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention)
    make_comeback(session, intervention)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "It came back, since 28 Apr 2026." in text
    assert text.index("It came back") < text.index("At least 310")


def test_a_comeback_that_was_explained_is_no_alarm_any_more(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention)
    comeback = make_comeback(session, intervention)
    address = f"/impact/{key_of(intervention)}"
    assert f"/themes/{intervention.theme.key}/comebacks" in manager.get(address)

    comeback.outcome, comeback.reviewed_by = "explained", "Priya Nair"
    comeback.review_note = "An outage of the app."
    text = text_of(manager.get(address))

    assert "An alarm was looked into." in text
    assert "Explained by something else." in text
    assert "Reviewed by Priya Nair: An outage of the app." in text
    assert "It came back" not in text


def test_a_fall_that_moved_is_not_praised(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, detail=MOVED)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "So this fall is not counted as a success." in text
    assert "Fewer on this theme so far" in text
    assert "Avoided so far" not in text
    assert (
        "fewer contacts on this theme, most likely 420. With the themes beside it −50 to 70" in text
    )
    assert "310 to 540 net −50 to 70" in text_of(manager.get("/impact/"))
    assert "£1,500" not in text  # the net contacts are worth −50 to 70, not 310 to 540


def test_without_a_cost_of_a_minute_no_money_is_shown(manager, session, settings):
    intervention = make_intervention(session)
    make_measurement(session, intervention, pence_per_minute=0.0)
    manager.app.config["SETTINGS"] = type(settings)(**{**vars(settings), "pence_per_minute": 0.0})

    for url in (f"/impact/{key_of(intervention)}", "/impact/"):
        text = text_of(manager.get(url))
        assert "finance has not set what an agent minute costs" in text
        assert "£" not in text


def test_charts_hold_the_path_from_13_weeks_before_and_the_running_total(manager, session):
    intervention = make_intervention(session, rollout_days=3)
    make_measurement(
        session,
        intervention,
        detail={"holidays": [{"day": "2026-03-09", "name": "Test day"}]},
    )

    html = manager.get(f"/impact/{key_of(intervention)}")
    daily, running = chart(html, "impact"), chart(html, "running")
    residual = chart(html, "residual")

    assert daily["days"][0] == (LIVE - timedelta(days=PRE_DAYS)).isoformat()
    assert (daily["observed"][0], daily["observed"][-1]) == (30, 20)
    assert (daily["go_live"], daily["counted_from"]) == ("2026-03-03", "2026-03-06")
    assert daily["holidays"] == [{"day": "2026-03-09", "name": "Test day"}]
    assert running["days"][0] == "2026-03-06"
    assert running["middle"][-1] == 140.0
    assert running["looks"] == daily["looks"] == [{"day": "2026-03-19", "label": "Look 1"}]
    assert running["next_look"]["day"] == "2026-04-02"
    assert running["target"] == 412
    assert "Before the change 30.0 contacts came a day" in html
    assert "20.0 came a day, where 30.0 were expected" in html
    assert (residual["values"][0], residual["values"][-1]) == (0.0, -10.0)
    assert (residual["low"][0], residual["high"][0]) == (-10.0, 10.0)
    assert "Of the 28 days shown before the change 0 lay outside the band" in text_of(html)
    assert html.count("<noscript><svg") == 3  # each chart is drawn without scripts, too


def test_the_csv_files_hold_every_day_and_say_what_is_counted(manager, session):
    intervention = make_intervention(session, rollout_days=3)
    measurement = make_measurement(session, intervention)
    key = key_of(intervention)

    days = rows_of(manager, f"/impact/{key}/days.csv")
    avoided = rows_of(manager, f"/impact/{key}/avoided.csv")

    assert len(days) == 1 + PRE_DAYS + 3 + 14
    assert [row[-1] for row in days[PRE_DAYS : PRE_DAYS + 5]] == [
        "before",
        "roll-out, not counted",
        "roll-out, not counted",
        "roll-out, not counted",
        "after",
    ]
    assert avoided[-1] == ["2026-03-19", "98.0", "140.0", "182.0"]
    assert days[-1][1:6] == ["20", "30.0", "20.0", "40.0", "-10.0"]
    for name in ("days", "avoided"):
        of_row = rows_of(manager, f"/impact/{key}/{name}.csv?measurement={measurement.id}")
        assert of_row == rows_of(manager, f"/impact/{key}/{name}.csv")


def test_days_that_are_not_counted_are_no_part_of_charts_tables_and_sentences(manager, session):
    intervention = make_intervention(session)
    gaps = [date(2026, 2, 4), date(2026, 3, 11), date(2026, 3, 12)]
    as_of = LIVE + timedelta(days=27)
    detail = make_detail(intervention, as_of)
    path = detail["path"]
    observed = [
        0 if day in [gap.isoformat() for gap in gaps] else came
        for day, came in zip(path["days"], path["observed"], strict=True)
    ]
    changed = {
        "path": {**path, "observed": observed},
        "not_counted": [gap.isoformat() for gap in gaps],
    }
    make_measurement(session, intervention, as_of=as_of, detail=changed)
    key = key_of(intervention)

    html = manager.get(f"/impact/{key}")
    text = text_of(html)
    counted = {row[0]: row[-1] for row in rows_of(manager, f"/impact/{key}/days.csv")}

    assert chart(html, "impact")["not_counted"] == changed["not_counted"]
    residual = chart(html, "residual")
    assert residual["values"][residual["days"].index("2026-03-11")] is None
    assert "Before the change 30.0 contacts came a day" in text
    assert "20.0 came a day, where 30.0 were expected" in text
    assert "Of the 27 days shown before the change 0 lay outside the band" in text
    assert "since then 0 of 26" in text
    assert "9 Mar 2026 100 150 50 5" in text  # the week of the gap: five days of it are counted
    assert "9 Mar 2026 −50 0" in text
    assert counted["2026-02-04"] == "before, not counted"
    assert counted["2026-03-12"] == "after, not counted"
    assert counted["2026-03-13"] == "after"


def test_changes_measured_as_one_are_counted_from_the_first_go_live_on(manager, session):
    intervention = make_intervention(session)
    first = LIVE - timedelta(days=10)
    window = {"go_live": first.isoformat(), "counted_from": first.isoformat()}
    make_measurement(session, intervention, detail={"window": window})
    key = key_of(intervention)

    counted = {row[0]: row[-1] for row in rows_of(manager, f"/impact/{key}/days.csv")}

    assert "Of the 18 days shown before the change" in text_of(manager.get(f"/impact/{key}"))
    assert counted["2026-02-20"] == "before"
    assert counted["2026-02-21"] == "after"


def test_where_it_happened_and_what_was_measured_come_as_csv(manager, session):
    intervention = make_intervention(session)
    beside = {"key": "T-9", "name": "Beside", "low": -400.0, "avoided": -300.0, "high": -200.0}
    look = make_measurement(session, intervention, detail={**MOVED, "siblings": [beside]})
    running = make_measurement(session, intervention, as_of=look.as_of + timedelta(days=3))
    scarce = make_measurement(
        session,
        intervention,
        as_of=look.as_of + timedelta(days=5),
        verdict=Verdict.NOT_ENOUGH_DATA,
    )
    key = key_of(intervention)

    _, *places = rows_of(manager, f"/impact/{key}/places.csv")
    headings, *measured = rows_of(manager, f"/impact/{key}/measurements.csv")

    assert [row[:3] for row in places] == [
        ["T-9", "Beside", "watched beside it"],
        ["", "With what is beside it", "net"],
    ]
    assert places[-1][5:8] == ["-50.0", "10.0", "70.0"]
    assert rows_of(manager, f"/impact/{key}/places.csv?measurement={running.id}")[1:] == []
    assert [row[0] for row in measured] == [str(scarce.id), str(running.id), str(look.id)]
    ends = headings.index("Avoided, low (95 %)")
    assert measured[0][ends : ends + 3] == ["", "", ""]
    assert measured[2][ends : ends + 3] == ["310.0", "420.0", "540.0"]
    net = headings.index("Net, low (95 %)")
    assert measured[2][net : net + 3] == ["-50.0", "10.0", "70.0"]
    assert measured[1][net : net + 3] == ["", "", ""], "nothing moved by that one"
    html = manager.get(f"/impact/{key}")
    for name in ("places", "measurements", "days"):
        assert f"/impact/{key}/{name}.csv" in html


def test_a_look_whose_contacts_moved_is_no_success_among_the_measurements_either(manager, session):
    look = make_measurement(session, make_intervention(session), detail=MOVED)
    make_measurement(session, look.intervention, as_of=look.as_of + timedelta(days=3))

    listed = text_of(manager.get(f"/impact/{key_of(look.intervention)}"))
    _, _, looks = listed.partition("each opens the page as it stood")
    looks, _, running = looks.partition("Running estimates")

    assert "contacts moved, net −50 to 70" in looks
    assert "310 to 540 fewer on this theme" in looks
    assert "310 to 540 avoided" in running


def test_beside_the_plan_a_fall_that_moved_is_no_drop_that_was_had(manager, session):
    look = make_measurement(session, make_intervention(session), detail=MOVED)

    text = text_of(manager.get(f"/impact/{key_of(look.intervention)}"))

    assert (
        "15 % to 26 % fewer, most likely 20 %, but the contacts moved to themes beside it: "
        "−50 to 70 avoided over all of them" in text
    )


def test_a_roll_out_of_what_was_measured_as_one_is_told_as_it_was_counted(manager, session):
    first = make_intervention(session)
    stages = [{"day": "2026-03-10", "share": 0.5}, {"day": "2026-03-20", "share": 1.0}]
    staged, slow = (
        make_intervention(session, went_live_on=date(2026, 3, 10), rollout_days=10, **values)
        for values in ({"stages": stages}, {})
    )
    joint = [
        {"id": one.id, "key": key_of(one), "title": "Fix", "day": one.went_live_on.isoformat()}
        for one in (first, staged, slow)
    ]
    detail = {"joint": joint, "window": {"counted_from": "2026-03-03"}}
    for one in (first, staged, slow):
        make_measurement(session, one, as_of=date(2026, 4, 2), detail=detail)

    as_one = "; as one with other changes, counted from 3 Mar 2026"
    for one, said in (
        (first, "everybody had it at once"),
        (staged, "in stages over 10 days, none of them counted"),
        (slow, "10 days of roll-out"),
    ):
        text = text_of(manager.get(f"/impact/{key_of(one)}"))
        assert f"{said}{as_one}" in text
        assert "counted from 20 Mar 2026" not in text
        assert "counted from 10 Mar 2026" not in text


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2026, 3, 16), ""),
        (date(2026, 3, 17), "Entered – 17 Mar 2026, when the data of 1 look was there already"),
        (date(2026, 4, 2), "Entered – 2 Apr 2026, when the data of 2 looks were there already"),
    ],
)
def test_a_plan_that_could_know_the_data_of_looks_says_when_it_was_entered(
    manager, session, day, words
):
    at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    live = make_intervention(session, recorded_at=at)
    make_measurement(session, live)

    html = manager.get(f"/impact/{key_of(live)}")

    plan = re.sub(
        r"Entered.*?could have seen their data\.", "Entered", text_of(html), flags=re.DOTALL
    )
    assert words in plan
    assert ("Entered" in plan) is bool(words)


def test_of_several_themes_no_page_speaks_as_of_one(manager, session):
    part = {"id": 1, "key": "T-9", "name": "Touched", "low": 1.0, "avoided": 2.0, "high": 3.0}
    live = make_intervention(session)
    make_measurement(session, live, detail={**MOVED, "parts": [part, part]})

    for url in (f"/impact/{key_of(live)}", f"/actions/{key_of(live)}"):
        text = text_of(manager.get(url))
        assert "on the 2 themes it touches" in text
        assert "on this theme" not in text


def test_a_total_of_what_got_worse_is_told_as_more(manager, session):
    make_measurement(
        session, make_intervention(session), verdict=Verdict.ROSE, avoided=(-120, -75, -30)
    )

    text = text_of(manager.get("/impact/"))

    assert "30 to 120 more contacts came than expected, after 1 action, most likely 75." in text


def test_no_range_and_nothing_expected_is_told_without_data_enough(manager, session):
    intervention = make_intervention(session)
    make_measurement(
        session, intervention, as_of=date(2026, 3, 18), verdict=Verdict.NOT_ENOUGH_DATA
    )  # the first look could not be made, for want of an import

    listed = text_of(manager.get("/impact/"))
    page = manager.get(f"/impact/{key_of(intervention)}")
    answered = text_of(page[page.index("answer-title") : page.index("impact-title")])

    assert "310 to 540" not in listed
    assert "no range" in listed
    assert "1,640 came" in answered
    assert "2,060" not in answered


@pytest.mark.parametrize(
    ("status", "is_watched"), [(ThemeStatus.HELD, True), (ThemeStatus.NOT_HELD, False)]
)
def test_after_the_last_look_a_watch_is_told_of_only_where_there_is_one(
    manager, session, status, is_watched
):
    intervention = make_intervention(session)
    intervention.theme.status = status
    make_measurement(session, intervention, as_of=LIVE + timedelta(days=LOOK_DAYS[-1] - 1))

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "All looks are spoken" in text
    assert ("The watch for comebacks goes on." in text) is is_watched


def test_the_portfolio_csv_gives_no_range_where_none_can_be_claimed(manager, session):
    make_measurement(session, make_intervention(session, went_live_on=date(2026, 3, 4)))
    make_measurement(session, make_intervention(session), verdict=Verdict.NOT_ENOUGH_DATA)

    _, fell, scarce = rows_of(manager, "/impact/impact.csv")

    assert fell[11:14] == ["310.0", "420.0", "540.0"]
    assert scarce[11:14] == ["", "", ""]


def test_the_counted_middles_of_the_portfolio_csv_add_up_to_the_headline(manager, session):
    make_measurement(session, make_intervention(session, went_live_on=date(2026, 3, 4)))
    make_measurement(session, make_intervention(session), detail=MOVED)
    make_measurement(session, make_intervention(session), verdict=Verdict.INCONCLUSIVE)

    _, *rows = rows_of(manager, "/impact/impact.csv")

    assert [row[14:17] for row in rows] == [
        ["310.0", "420.0", "540.0"],
        ["", "", ""],
        ["-50.0", "10.0", "70.0"],
    ]
    assert "most likely 430" in text_of(manager.get("/impact/")).lower()


def test_a_stored_measurement_has_a_page_of_its_own(manager, session):
    intervention = make_intervention(session)
    old = make_measurement(session, intervention, as_of=LOOK_1, avoided=(50, 120, 190))
    make_measurement(session, intervention, as_of=LOOK_2)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}?measurement={old.id}"))

    answered = text.split("Measurements never rewritten")[0]
    assert "As it stood with data to 16 Mar 2026." in answered
    assert "(95 %: 50 to 190)" in answered
    assert "310 to 540" not in answered
    assert "Said by the method." in text
    assert f"closedloop measure --reproduce {old.id}" in text
    assert old.input_sha256[:16] in text
    assert text == text_of(manager.get(f"/impact/measurements/{old.id}"))
    manager.get("/impact/measurements/99999", status=404)
    for nonsense in ("99999", "0", "-1", "abc", "²"):
        manager.get(f"/impact/{key_of(intervention)}?measurement={nonsense}", status=404)


def test_a_look_says_how_it_stands_among_those_of_its_night_and_what_was_measured_again(
    manager, session
):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1, q_value=0.0312)
    again = {"remeasured_after": 30}
    make_measurement(session, intervention, as_of=date(2026, 4, 15), detail=again)

    text = text_of(manager.get(f"/impact/{key_of(intervention)}"))

    assert "q = 0.0312 among the looks of that night" in text
    assert "Running 30 days after it held 15 Apr 2026" in text


def test_the_settings_are_explained_where_they_can_be_changed(manager, session):
    make_intervention(session)

    text = text_of(manager.get("/impact/")).split("How it is measured")[1]

    assert "after 14, 28, 56, 84, 175, 266 and 357 counted days" in text
    assert "Public holidays GB-ENG" in text
    assert "CLOSEDLOOP_HOLIDAY_COUNTRY" in text
    assert "Cost of a minute £0.62" in text


def test_running_estimates_are_listed_page_by_page_and_each_can_be_opened(manager, session):
    intervention = make_intervention(session)
    make_measurement(session, intervention, as_of=LOOK_1)
    running = [
        make_measurement(session, intervention, as_of=date(2026, 3, 17) + timedelta(days=day)).id
        for day in range(12)
    ]
    key, seen = key_of(intervention), []
    url = f"/impact/{key}"

    while url:
        html = manager.get(url)
        history = html.split('id="history-title"')[1]
        seen += re.findall(r'measurement=(\d+)" data-open>Running', history)
        assert history.count("data-open>Look 1") == 1
        found = re.search(r'rel="next" href="([^"#]+)', history)
        url = found[1].replace("&amp;", "&") if found else ""

    assert [int(one) for one in seen] == running[::-1]


# ---------- sign-off ----------


def test_somebody_else_signs_a_verdict_off_and_the_owner_is_told_why_not(sign_in_as, session):
    owner = sign_in_as(Role.STAKEHOLDER)
    intervention = make_intervention(session, make_action(session, owner_id=owner.user.id))
    look = make_measurement(session, intervention)
    address = f"/impact/{key_of(intervention)}"

    assert "so somebody else signs it off" in text_of(owner.get(address))
    refused = owner.post(f"/impact/measurements/{look.id}/sign-off", status=403)
    assert "Ask somebody else" in text_of(refused.text)

    reader = sign_in_as(Role.EXECUTIVE)
    assert "Nobody has stood by this verdict yet." in text_of(reader.get(address))
    reader.post(f"/impact/measurements/{look.id}/sign-off", {"note": "Fits <our> count."})
    text = text_of(reader.get(address))
    assert f"{reader.user.name} stands by it" in text
    assert "“Fits <our> count.”" in text
    assert "I have read it and stand by it" not in text
    assert "signed off" in text_of(reader.get("/impact/"))
    assert rows_of(reader, "/impact/impact.csv")[1][-2] == "1"
    reader.post(f"/impact/measurements/{look.id}/sign-off", status=409)


def test_a_note_that_is_too_long_comes_back_with_what_was_typed(manager, session):
    intervention = make_intervention(session)
    look = make_measurement(session, intervention)

    answer = manager.post(
        f"/impact/measurements/{look.id}/sign-off", {"note": "long " * 120}, status=422
    )

    assert "characters; at most 500 fit." in text_of(answer.text)
    assert "long long" in answer.text


def test_a_running_estimate_offers_no_sign_off(manager, session):
    intervention = make_intervention(session)
    running = make_measurement(session, intervention, as_of=date(2026, 3, 20))

    html = manager.get(f"/impact/{key_of(intervention)}?measurement={running.id}")

    assert "so there is nothing to stand by yet" in text_of(html)
    assert "/sign-off" not in html
    manager.post(f"/impact/measurements/{running.id}/sign-off", status=409)


def test_what_is_not_shipped_has_no_impact_page(manager, session):
    action = make_action(session)

    gone = manager.get(f"/impact/{action.key}", status=404)
    assert "has not been shipped" in text_of(gone)
    assert f'href="/actions/{action.key}">See {action.key}' in gone
    assert "See A-" not in manager.get("/impact/A-999", status=404)


@pytest.fixture
def measurable(session):
    """A theme among unaffected ones that fell by 45 %, with data to the second look."""
    first_day = date(2025, 6, 2)
    n_pre, n_days = (LIVE - first_day).days, (LOOK_2 - first_day).days + 1
    theme = make_theme(session, ThemeStatus.MEASURING)
    counts = draw_counts(
        1, mean=20.0, change=-0.45, n_pre=n_pre, first_day=first_day, n_days=n_days
    )
    add_days(session, theme, first_day, counts)
    make_controls(session, number=6, first_day=first_day, n_days=n_days)
    make_definitions(session, [theme])
    for day in (first_day, LOOK_2):
        make_contact(session, local_day=day, cluster=-1)
    action = make_action(session, theme, ActionStatus.SHIPPED)
    return make_intervention(session, action, went_live_on=LIVE)


def test_measure_now_speaks_the_looks_that_are_due(manager, session, measurable):
    key = key_of(measurable)

    manager.post(f"/impact/{key}/measure")

    rows = session.query(ImpactMeasurement).order_by(ImpactMeasurement.as_of).all()
    assert [(row.as_of, row.is_look) for row in rows] == [(LOOK_1, True), (LOOK_2, True)]
    text = text_of(manager.get(f"/impact/{key}"))
    assert "is measured with data to 30 March 2026" in text
    assert "Fell" in text

    manager.post(f"/impact/{key}/measure")
    assert session.query(ImpactMeasurement).count() == 2
    assert "Nothing has changed since the measurement" in text_of(manager.get(f"/impact/{key}"))


def test_a_look_that_was_read_stays_when_a_later_day_is_refused(manager, session, measurable):
    key = key_of(measurable)
    for _ in range(60):  # one in a hundred is too many
        make_contact(session, local_day=LOOK_2, cluster=None)

    manager.post(f"/impact/{key}/measure")

    (row,) = session.query(ImpactMeasurement).all()
    assert (row.as_of, row.is_look) == (LOOK_1, True)
    text = text_of(manager.get(f"/impact/{key}"))
    assert "have not been assigned to themes yet" in text
    assert "What was measured with data to 16 March 2026 is kept." in text


def test_measure_without_contacts_or_definitions_says_what_is_missing(manager, session):
    key = key_of(make_intervention(session))

    manager.post(f"/impact/{key}/measure")
    assert "There are no contacts of a complete day yet" in text_of(manager.get(f"/impact/{key}"))
    make_contact(session)
    manager.post(f"/impact/{key}/measure")
    assert "There are no theme definitions yet" in text_of(manager.get(f"/impact/{key}"))


def test_reproduce_compares_every_digit(manager, session, settings, actor, measurable):
    made = measure_intervention(
        session, settings=settings, intervention_id=measurable.id, as_of=LOOK_1, by=actor
    )
    address = f"/impact/measurements/{made.id}"

    manager.post(f"{address}/reproduce")
    assert "came out the same, digit for digit" in text_of(manager.get(address))

    forged = copy_measurement(session, made, avoided=made.avoided + 1.0)
    session.commit()
    address = f"/impact/measurements/{forged.id}"
    manager.post(f"{address}/reproduce")
    assert "did not come out the same. avoided was" in text_of(manager.get(address))


def test_only_managers_measure_and_reproduce(sign_in_as, session):
    intervention = make_intervention(session)
    measurement = make_measurement(session, intervention)
    for role in (Role.STAKEHOLDER, Role.EXECUTIVE):
        page = sign_in_as(role)
        assert "Measure now" not in text_of(page.get(f"/impact/{key_of(intervention)}"))
        page.post(f"/impact/{key_of(intervention)}/measure", status=403)
        page.post(f"/impact/measurements/{measurement.id}/reproduce", status=403)


def test_statements_do_not_grow_with_actions_and_measurements(manager, session):
    first = make_intervention(session)

    def add():
        for intervention in (first, make_intervention(session), make_intervention(session)):
            for _ in range(3):
                make_measurement(session, intervention)
            make_comeback(session, intervention, alarm_on=date(2026, 5, len(first.plan) + 1))
            first.plan = {**first.plan, str(len(first.plan)): 1}

    add()
    look = session.query(ImpactMeasurement).order_by(ImpactMeasurement.id).first()
    urls = (
        "/impact/",
        "/impact/?verdict=fell",
        f"/impact/{key_of(first)}",
        f"/impact/{key_of(first)}?measurement={look.id}",
    )
    before = [statements_of(manager, url) for url in urls]
    assert max(before[:2]) <= 18
    assert max(before[2:]) <= 19
    add()

    assert [statements_of(manager, url) for url in urls] == before
