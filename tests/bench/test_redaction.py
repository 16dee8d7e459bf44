"""The proof of redaction: does it measure what it says, and say what it did not measure?"""

from __future__ import annotations

import csv
import json

from stdnum import luhn

from closedloop.bench.redaction import as_table, run
from closedloop.bench.redaction_set import make_samples, make_texts
from ml.text.redact import Redactor


def test_run_holds_its_bars_and_says_what_it_skipped():
    report = run(small=True, with_peer=False)

    holds = {bar["name"]: bar["holds"] for bar in report["bars"]}
    assert holds == {
        "recall of kinds with a check digit": True,
        "recall of e-mail addresses": True,
        "recall of phone numbers": True,
        "false marks in 1,000 words of complaints": None,
        "times the rate of presidio's patterns": None,
    }
    table = as_table(report)
    assert "presidio was left out" in table
    assert "not measured" in table
    assert json.loads(json.dumps(report)) == report


def test_run_counts_every_mark_in_complaints_as_false(tmp_path):
    with (tmp_path / "complaints.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Consumer complaint narrative"])
        writer.writerow(["ann@example.org " + "word " * 499])
        writer.writerow(["word " * 500])

    found = run(small=True, with_peer=False, narratives=tmp_path)["false_marks"]

    assert (found["words"], found["marks"], found["per_1000_words"]) == (1000, {"EMAIL": 1}, 1.0)


def test_a_set_is_the_same_for_the_same_seed_and_its_cards_are_valid():
    samples = make_samples(40, seed=1)

    assert samples == make_samples(40, seed=1) != make_samples(40, seed=2)
    cards = [s.value.replace(" ", "").replace("-", "") for s in samples if s.kind == "CARD"]
    assert len(cards) == 40
    assert all(map(luhn.is_valid, cards))


def test_texts_are_as_long_as_asked_and_hold_as_much_personal_data():
    texts = make_texts(500, seed=1, share=0.2)
    plain = make_texts(50, seed=1, share=0)

    redactor = Redactor()
    marked = sum(bool(found.counts) for found in redactor.redact_many(texts))
    assert 0.14 < marked / 500 < 0.26
    assert not any(found.counts for found in redactor.redact_many(plain))
    assert min(len(text.split()) for text in texts) >= 40
