"""What to embed: does the measuring read the file right, and tell a good choice from a bad one?"""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from closedloop.bench import sentences
from closedloop.bench.sentence_sets import CHOICES, draw, read_domain, read_domains
from closedloop.bench.sentences import as_table, neighbours_agree, run
from closedloop.cli import main

HEAD = "conversationId\tturnNumber\tutteranceId\tutterance\tslot-labels\tintent"
ISSUES = {
    "seat": "i want to change my seat to the window",
    "pass": "please send me my boarding pass again",
}


def write_domain(folder, n=50):
    """Lay conversations that open with chatter, differ in it, and state one issue at the end."""
    folder.mkdir(parents=True)
    rows = [HEAD]
    for number in range(n):
        for intent, issue in ISSUES.items():
            name = f"{intent}-{number}"
            said = [
                (0, "hello there", "openinggreeting"),
                (2, f'it is 4{number}7 "x', "contentonly"),
                (3, f"{issue} {number % 7}", intent),
                (6, "thank you", "thankyou"),
            ]
            rows += [f"{name}\t{at}.0\tu\t{text}\tO\t{label}" for at, text, label in said]
    rows.append("rare\t0.0\tu\tupgrade my dog\tO\trareintent")
    rows.append('broken\t""\tu\tlost\tO\t')
    (folder / "train.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture
def data(tmp_path):
    for domain in ("airline", "bank"):
        write_domain(tmp_path / "multidogo" / domain)
    return tmp_path


def test_conversations_have_an_agents_turn_where_numbers_are_left_out(data):
    whole = read_domain(data / "multidogo/airline")
    assert len(whole) == 100
    one = next(found for found in whole if "window 3" in found.stated[0])
    assert [who for who, _ in one.turns] == [
        "customer", "agent", "customer", "customer", "agent", "customer",
    ]  # fmt: skip
    assert one.intents == ("seat",)
    assert one.stated == ("i want to change my seat to the window 3",)


def test_intents_that_hardly_anybody_has_are_left_out(data):
    intents = {intent for one in read_domain(data / "multidogo/bank") for intent in one.intents}
    assert intents == set(ISSUES)


def test_a_draw_is_the_same_for_a_seed_and_not_the_beginning(data):
    whole = read_domain(data / "multidogo/bank")
    assert draw(whole, 10, seed=1) == draw(whole, 10, seed=1)
    assert draw(whole, 10, seed=1) != whole[:10]
    assert len(draw(whole, 1_000, seed=1)) == 100


def test_choices_take_what_they_say():
    turns = [
        ("customer", "hello"),
        ("agent", ""),
        ("customer", "my bag is lost since monday"),
        ("customer", "it is a large red one with two white wheels"),
        ("agent", ""),
        ("customer", "thanks"),
    ]
    taken = {name: choose(turns) for name, choose in CHOICES.items()}
    assert taken["first customer turn"] == "hello"
    assert taken["first two customer turns"] == "hello my bag is lost since monday"
    assert taken["first substantive turn"] == "my bag is lost since monday"
    assert taken["longest turn"] == "it is a large red one with two white wheels"
    assert taken["all customer turns"].endswith("wheels thanks")
    assert taken["first 15 words"].endswith("large red one with two")
    assert (
        taken["ours"] == "my bag is lost since monday it is a large red one with two white wheels"
    )


def test_neighbours_vote_for_each_of_their_intents_and_one_of_ones_own_is_enough():
    at = np.array([0.0, 0.1, 0.2, 2.0, 2.1, 2.2])
    vectors = np.column_stack([np.cos(at), np.sin(at)]).astype(np.float32)
    intents = [("a",), ("a",), ("a", "b"), ("b",), ("c",), ("c", "b")]
    assert neighbours_agree(vectors, intents, k=2).tolist() == [True] * 3 + [False, False, True]


def test_run_finds_that_the_first_turn_says_nothing_and_ours_does(data, monkeypatch):
    monkeypatch.setitem(sentences.PER_DOMAIN, True, 40)
    said = []
    report = run(data=data, small=True, tell=said.append)

    rows = {row["choice"]: row for row in report["halves"]["confirms"]}
    assert rows["ours"]["neighbours"] > 0.95
    assert rows["first customer turn"]["neighbours"] < 0.8
    assert report["domains"]["airline"]["half"] == "chooses"
    assert report["domains"]["bank"]["half"] == "confirms"
    assert report["verdict"]["is_clear"] is False
    table = as_table(report)
    assert "Mean of the domains that confirm (bank)" in table
    assert json.loads(json.dumps(report)) == report


def test_a_folder_without_the_set_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no multidogo in"):
        read_domains(tmp_path)
    refused = CliRunner().invoke(main, ["bench", "sentences", "--data", str(tmp_path)])
    assert refused.exit_code == 1
    assert "There is no multidogo in" in refused.output
