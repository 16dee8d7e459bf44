"""Do the planted fixes do what the truth says, and nothing else?"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from closedloop.demo.calendar import N_DAYS, day_number
from closedloop.demo.demand import Contacts
from closedloop.demo.intents import INDEX
from closedloop.demo.scenario import FIXES
from closedloop.demo.transcripts import load_sentences
from closedloop.demo.truth import EFFECTS, drop_by_day, touched_by_fix

BY_KEY = {fix.key: fix for fix in FIXES}


def removed_share(centre, key, first_day, last_day=N_DAYS - 1):
    """Share of the contacts of a fix's intents that went, over days with both ends counted."""
    days = slice(first_day, last_day + 1)
    came = centre.per_day(*BY_KEY[key].intents)[days].sum()
    return 1 - came / centre.per_day(*BY_KEY[key].intents, without_fixes=True)[days].sum()


def rolled_out(key):
    return day_number(BY_KEY[key].shipped_on) + BY_KEY[key].roll_out_days


@pytest.mark.parametrize(
    ("key", "share", "tolerance"),
    [("card_notices", 0.45, 0.05), ("top_up_faq", 0.0, 0.0), ("pending_label", 0.40, 0.05)],
)
def test_a_fix_takes_its_share_once_it_is_rolled_out(centre, key, share, tolerance):
    assert removed_share(centre, key, rolled_out(key)) == pytest.approx(share, abs=tolerance)


def test_no_fix_takes_anything_before_it_ships(centre):
    for fix in FIXES:
        assert removed_share(centre, fix.key, 0, day_number(fix.shipped_on) - 1) == 0


def test_the_refund_fix_works_for_seven_weeks_and_then_comes_back(centre):
    end = day_number(EFFECTS["refund_date"].lasts_until)

    assert end - rolled_out("refund_date") + 1 == 49
    share = removed_share(centre, "refund_date", rolled_out("refund_date"), end)
    assert share == pytest.approx(0.40, abs=0.05)
    assert removed_share(centre, "refund_date", end + 1) < 0.08
    came = centre.per_day("Refund_not_showing_up")
    before = came[: day_number(BY_KEY["refund_date"].shipped_on)].mean()
    assert came[end + 1 :].mean() == pytest.approx(before, rel=0.15)


def test_the_share_taken_climbs_evenly_over_the_roll_out():
    drops = drop_by_day(BY_KEY["card_notices"])
    ship = day_number(date(2026, 2, 3))

    assert drops[ship - 1 : ship + 6] == pytest.approx([0, 0.09, 0.18, 0.27, 0.36, 0.45, 0.45])
    refund = drop_by_day(BY_KEY["refund_date"])
    assert list(refund[[day_number(date(2026, 4, 20)), day_number(date(2026, 4, 21))]]) == [0.4, 0]


def test_moved_contacts_come_all_the_same_under_the_sibling_intent(centre):
    family = ("pending_card_payment", "card_payment_not_recognised")
    came = centre.per_day(*family)

    assert (came == centre.per_day(*family, without_fixes=True)).all()
    sibling = "card_payment_not_recognised"
    gained = centre.per_day(sibling) - centre.per_day(sibling, without_fixes=True)
    assert (gained >= 0).all()
    assert gained.sum() == centre.summary()["moved"]["pending_label"] > 400


def test_intents_that_no_fix_touches_are_left_alone(centre):
    touched = {key for fix in FIXES for key in fix.intents} | {"card_payment_not_recognised"}
    others = [key for key in INDEX if key not in touched]

    came, without = centre.per_day(*others), centre.per_day(*others, without_fixes=True)
    assert (came == without).all()


def test_removed_contacts_are_told_with_their_fix_and_add_up(centre):
    counts, statements = Counter(), set()
    by_intent = {key: set(load_sentences()[i]) for key, i in INDEX.items()}
    for key, row in centre.removed():
        counts[key] += 1
        said = {turn["text"] for turn in row["turns"] if turn["speaker"] == "customer"}
        texts = set().union(*(by_intent[intent] for intent in BY_KEY[key].intents))
        assert said & texts, row["contact_id"]
        assert datetime.fromisoformat(row["started_at"]).date() >= BY_KEY[key].shipped_on
        statements |= said & texts

    summary = centre.summary()
    assert counts["card_notices"] == summary["removed"]["card_notices"] > 600
    assert counts["refund_date"] == summary["removed"]["refund_date"] > 250
    assert counts["pending_label"] == summary["moved"]["pending_label"]
    assert counts["top_up_faq"] == 0
    assert len(statements) > 200


def test_a_moved_contact_keeps_customer_time_and_number(centre):
    moved = {row["contact_id"]: row for key, row in centre.removed() if key == "pending_label"}
    came = {row["contact_id"]: row for row in centre.rows() if row["contact_id"] in moved}

    assert came.keys() == moved.keys()
    for contact_id, before in moved.items():
        after = came[contact_id]
        same = ("started_at", "customer_id", "channel", "handle_seconds")
        assert [after[field] for field in same] == [before[field] for field in same]
        assert centre.intent_of(contact_id) == "card_payment_not_recognised"
        assert after["turns"] != before["turns"]
    assert Counter(row["queue"] for row in came.values()).most_common(1)[0][0] == "fraud"


def test_a_prevented_problem_is_not_asked_about_again(centre):
    order = np.lexsort((centre.contacts.ordinal, centre.contacts.episode))
    same = np.diff(centre.contacts.episode[order]) == 0
    gone = centre.fix[order] >= 0

    assert not (gone[:-1] & ~gone[1:] & same).any()


def test_a_problem_prevented_just_before_a_comeback_stays_prevented():
    end = day_number(EFFECTS["refund_date"].lasts_until)
    n = 400
    contacts = Contacts(
        second=np.repeat([(end - 1) * 86_400, (end + 3) * 86_400], n),
        episode=np.tile(np.arange(n), 2),
        customer=np.tile(np.arange(n), 2),
        ordinal=np.repeat([0, 1], n).astype(np.int8),
        intent=np.full(2 * n, INDEX["Refund_not_showing_up"], np.int8),
        channel=np.zeros(2 * n, np.int8),
    )
    touched = touched_by_fix(contacts, np.random.default_rng(1)).reshape(2, n)

    assert (touched[0] == touched[1]).all()
    assert 0.3 < (touched[0] >= 0).mean() < 0.5


def test_there_are_enough_days_before_and_after_each_fix():
    for fix in FIXES:
        assert day_number(fix.shipped_on) >= 100
        assert N_DAYS - day_number(fix.shipped_on) >= 70
    assert 84 <= N_DAYS - day_number(BY_KEY["card_notices"].shipped_on) <= 110
    assert EFFECTS["refund_date"].lasts_until + timedelta(days=21) == date(2026, 5, 11)
