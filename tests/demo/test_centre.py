"""Is the export complete, believable and the same every time?"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from datetime import datetime
from itertools import islice
from pathlib import Path

import pytest

from closedloop.demo.calendar import CHANNELS, FIRST_DAY, LAST_DAY
from closedloop.demo.centre import generate
from closedloop.demo.intents import DISPOSITIONS, INDEX, INTENTS, QUEUES
from closedloop.demo.transcripts import load_sentences

REQUIRED = {
    "contact_id",
    "started_at",
    "customer_id",
    "channel",
    "queue",
    "agent",
    "disposition",
    "turns",
    "handle_seconds",
    "team",
    "language",
    "resolved",
}
ANSWERS = {"csat", "nps", "ces", "survey_resolved"}
QUEUED = {"wait_seconds", "transfers"}
SCALES = {(nps, ces) for nps in range(11) for ces in range(1, 8)}
DIGEST = """
import hashlib, itertools, json
from closedloop.demo.centre import generate
rows = list(itertools.islice(generate(7).rows(), 400))
print(hashlib.sha256(json.dumps(rows).encode()).hexdigest())
"""


def test_another_process_with_another_hash_seed_makes_the_same_rows(centre):
    rows = list(islice(centre.rows(), 400))
    here = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    there = subprocess.run(
        [sys.executable, "-c", DIGEST],
        env={**os.environ, "PYTHONHASHSEED": "99"},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert there.stdout.strip() == here


def test_a_second_run_is_equal_to_the_last_row_and_another_seed_is_not(centre, all_rows):
    again = [{**row, "turns": len(row["turns"])} for row in generate(7).rows()]

    assert again == all_rows
    assert next(generate(8).rows()) != next(centre.rows())


def test_there_are_as_many_contacts_and_customers_as_promised(centre, all_rows):
    customers = {row["customer_id"] for row in all_rows} - {None}
    summary = centre.summary()

    assert 42_000 <= len(all_rows) <= 46_000
    assert len(customers) >= 16_000
    assert summary["contacts"] == len(all_rows)
    assert summary["customers"] == len(customers)
    assert sum(summary["per_intent"].values()) == len(all_rows)


def test_rows_come_in_order_of_time_with_ids_of_their_own(all_rows):
    times = [datetime.fromisoformat(row["started_at"]) for row in all_rows]

    assert times == sorted(times)
    assert (times[0].date(), times[-1].date()) == (FIRST_DAY, LAST_DAY)
    assert len({row["contact_id"] for row in all_rows}) == len(all_rows)


def test_every_row_has_the_documented_fields(all_rows):
    for row in all_rows:
        assert row.keys() - ANSWERS - QUEUED == REQUIRED
        assert row.keys() & ANSWERS in (set(), ANSWERS)
        assert row.keys() & QUEUED == (set() if row["channel"] == "message" else QUEUED)
        assert row["team"].startswith(row["queue"])
        assert (row.get("nps", 0), row.get("ces", 1)) in SCALES
        assert row["channel"] in CHANNELS
        assert row["queue"] in QUEUES
        assert row["disposition"] in DISPOSITIONS
        assert 4 <= row["turns"] <= 9
        assert 30 <= row["handle_seconds"] <= 5400
        assert row.get("csat", 1) in {1, 2, 3, 4, 5}
        assert row["customer_id"] is None or re.fullmatch(r"\d{8}", row["customer_id"])


def test_shares_are_those_of_a_real_centre(all_rows):
    n = len(all_rows)
    by_code = Counter(row["disposition"] for row in all_rows)

    assert 0.015 < sum(row["customer_id"] is None for row in all_rows) / n < 0.025
    assert 0.11 < sum("csat" in row for row in all_rows) / n < 0.13
    assert 0.29 < by_code["General enquiry"] / n < 0.37
    assert len(by_code) == len(DISPOSITIONS) == 12
    assert len({row["agent"] for row in all_rows}) == 40
    assert {row["channel"] for row in all_rows} == set(CHANNELS)


def test_wrap_up_codes_are_right_more_often_than_not_but_far_from_always(centre, all_rows):
    right = Counter()
    for row in all_rows:
        intent = INTENTS[INDEX[centre.intent_of(row["contact_id"])]]
        right[row["disposition"] == intent.disposition] += 1

    assert 0.5 < right[True] / len(all_rows) < 0.7


def test_repeats_within_seven_days_counted_from_the_export_are_in_range(centre, all_rows):
    last: dict[str, datetime] = {}
    repeats = mature = 0
    for row in reversed(all_rows):
        if row["customer_id"] is None:
            continue
        at = datetime.fromisoformat(row["started_at"])
        if (LAST_DAY - at.date()).days >= 7:
            mature += 1
            later = last.get(row["customer_id"])
            repeats += later is not None and (later - at).total_seconds() <= 7 * 86_400
        last[row["customer_id"]] = at

    rate = repeats / mature
    assert 0.18 <= rate <= 0.22
    summary = centre.summary()
    assert summary["repeat_rate_7d"] == pytest.approx(rate, abs=0.001)
    assert 0.10 < summary["same_intent_rate_7d"] < summary["repeat_rate_7d"] - 0.03


def test_repeats_take_three_tenths_longer_to_handle(centre):
    seconds, ordinal = centre.details.handle_seconds, centre.contacts.ordinal

    ratio = seconds[ordinal > 0].mean() / seconds[ordinal == 0].mean()
    assert ratio == pytest.approx(1.3, abs=0.08)


def test_each_contact_states_its_true_intent_word_for_word(centre, first_rows):
    for row in first_rows:
        texts = load_sentences()[INDEX[centre.intent_of(row["contact_id"])]]
        said = [turn["text"] for turn in row["turns"] if turn["speaker"] == "customer"]
        assert sum(text in texts for text in said) == 1, row["contact_id"]


def test_who_asks_again_uses_other_words(centre):
    contacts = centre.contacts
    said: dict[int, list[str]] = {}
    for i in range(12_000):
        text = centre._sentence(i, int(contacts.intent[i]))
        said.setdefault(int(contacts.episode[i]), []).append(text)

    chains = [texts for texts in said.values() if len(texts) > 1]
    assert len(chains) > 1000
    assert all(len(set(texts)) == len(texts) for texts in chains)


def test_a_few_percent_of_transcripts_hold_personal_data(first_rows):
    kinds = {
        "e-mail": r"\w@[\w.]*example",
        "phone": r"07700|\+44 7700|020 7946",
        "card": r"\b4000[ -]?00\d\d",
        "iban": r"\bGB\d\d ?NBNK",
        "account": r"\b00-00-\d\d",
    }
    texts = [" ".join(turn["text"] for turn in row["turns"]) for row in first_rows]
    shares = {
        kind: sum(bool(re.search(pattern, text)) for text in texts) / len(texts)
        for kind, pattern in kinds.items()
    }

    assert all(0.005 < share < 0.015 for share in shares.values()), shares


def test_the_truth_does_not_show_in_the_rows(first_rows):
    told = json.dumps(first_rows)

    assert "card_arrival" not in told
    assert "card_notices" not in told


@pytest.mark.parametrize("contact_id", ["NB-0", "NB-9999999", "never-000001", "x"])
def test_an_unknown_contact_has_no_intent(centre, contact_id):
    with pytest.raises(KeyError):
        centre.intent_of(contact_id)


def test_a_year_is_made_in_seconds_and_little_memory(record_property):
    started = time.process_time()
    count = sum(1 for _ in generate(7).rows())
    seconds = time.process_time() - started
    tracemalloc.start()
    small = sum(1 for _ in islice(generate(7).rows(), 2000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    record_property("seconds", round(seconds, 1))
    record_property("peak_megabytes", round(peak / 2**20))

    assert (count > 42_000, small) == (True, 2000)
    assert seconds < 12
    assert peak < 200 * 2**20
