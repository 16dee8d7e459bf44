"""The demo's four planted fixes, called as planted, open or wrong."""

from __future__ import annotations

from datetime import date

from closedloop.bench.impact_demo import (
    AS_PLANTED,
    OPEN,
    STORIES,
    WRONG,
    call_look,
    call_seed,
    call_watch,
    demo_lines,
    name_misses,
)
from closedloop.demo.scenario import FIXES
from closedloop.domain.actions import ActionStatus
from closedloop.domain.impact import Verdict

EFFECTIVE, CANNOT_TELL = ActionStatus.EFFECTIVE, ActionStatus.CANNOT_TELL


def test_every_fix_of_the_demo_has_a_story():
    assert set(STORIES) == {fix.key for fix in FIXES}


def test_a_call_is_held_against_what_was_planted():
    assert call_look("card_notices", Verdict.FELL, EFFECTIVE) == AS_PLANTED
    assert call_look("card_notices", Verdict.FELL, CANNOT_TELL) == WRONG  # said to have moved
    assert call_look("card_notices", Verdict.INCONCLUSIVE, CANNOT_TELL) == OPEN
    assert call_look("card_notices", Verdict.NO_CHANGE, ActionStatus.NOT_EFFECTIVE) == WRONG
    assert call_look("top_up_faq", Verdict.FELL, EFFECTIVE) == WRONG
    assert call_look("top_up_faq", Verdict.ROSE, ActionStatus.NOT_EFFECTIVE) == WRONG
    assert call_look("top_up_faq", Verdict.NO_CHANGE, ActionStatus.NOT_EFFECTIVE) == AS_PLANTED
    assert call_look("pending_label", Verdict.FELL, CANNOT_TELL) == AS_PLANTED
    assert call_look("pending_label", Verdict.FELL, EFFECTIVE) == WRONG


def test_the_watch_must_be_silent_before_and_loud_after():
    ended = date(2026, 4, 20)
    assert call_watch([date(2026, 4, 29)], ended) == AS_PLANTED
    assert call_watch([date(2026, 4, 20), date(2026, 4, 29)], ended) == WRONG
    assert call_watch([], ended) == OPEN


def test_a_seed_is_called_at_every_look_the_demo_year_holds_and_kept(tmp_path):
    rows = call_seed(7, keep=tmp_path)

    looks = {key: [row["look"] for row in rows if row["fix"] == key] for key in STORIES}
    assert looks["card_notices"] == looks["top_up_faq"] == looks["pending_label"]
    assert looks["card_notices"][:4] == [1, 2, 3, 4]
    assert looks["refund_date"] == [1, 2, 3, "comeback"]
    assert call_seed(7, keep=tmp_path) == rows
    assert len(list(tmp_path.iterdir())) == 1


def test_the_share_of_wrong_calls_is_printed_with_its_bar():
    rows = [
        {"seed": seed, "fix": "top_up_faq", "look": look, "call": call}
        for seed, look, call in (
            (1, 1, AS_PLANTED),
            (1, 2, WRONG),
            (2, 1, AS_PLANTED),
            (2, 2, OPEN),
        )
    ]

    lines = {one["name"]: one for one in demo_lines(rows)}

    wrong = lines["share of wrong calls, 4 calls"]
    assert (wrong["measured"], wrong["bar"], wrong["holds"]) == (0.25, "at most 0", False)
    assert lines["does nothing: look on day 14 as planted"]["measured"] == 1.0
    assert lines["does nothing: look on day 28 as planted"]["holds"] is False


def test_calls_that_were_not_as_planted_are_named():
    look = {"fix": "top_up_faq", "look": 1, "verdict": "rose"}
    watch = {"fix": "refund_date", "look": "comeback"}
    rows = [
        {"seed": 1, **look, "call": AS_PLANTED},
        {"seed": 19, **look, "call": WRONG},
        {"seed": 4, **watch, "alarms": [], "call": OPEN},
        {"seed": 6, **watch, "alarms": ["2026-04-20", "2026-04-25"], "call": WRONG},
    ]
    assert name_misses(rows) == [
        "Demo year of seed 19, the fix that does nothing, look on day 14: wrong, it was called "
        "rose.",
        "Demo year of seed 4, the fix that works, then wears off, comeback alarm: open, no alarm "
        "was raised.",
        "Demo year of seed 6, the fix that works, then wears off, comeback alarm: wrong, alarms "
        "on 2026-04-20, 2026-04-25.",
    ]
