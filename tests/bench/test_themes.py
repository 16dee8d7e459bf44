"""The proof of themes: does it measure what it says, and say what it did not measure?"""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest

from closedloop.bench import theme_scale
from closedloop.bench.theme_bars import set_bars
from closedloop.bench.theme_scale import discover_many, make_many, scale_bars, scale_lines
from closedloop.bench.theme_scores import (
    matched_stability,
    name_quality,
    one_to_one_accuracy,
    score_labels,
)
from closedloop.bench.theme_sets import (
    LabelledSet,
    made_up_set,
    read_assistant,
    read_sets,
    uneven_sample,
)
from closedloop.bench.theme_site import retheme
from closedloop.bench.themes import as_table, run


def test_run_measures_a_made_up_set_and_says_what_it_left_out():
    said = []

    report = run(small=True, with_peers=False, tell=said.append)

    (name,) = report["sets"]
    (row,) = report["sets"][name]["rows"]
    assert row["method"] == "closedloop"
    assert row["ami"] > 0.8
    assert row["repeats"] is True
    assert 0.5 < row["stability"] <= 1
    assert 0.5 < row["names"] <= 1
    assert 0 < row["warm_seconds"] < row["cold_seconds"]
    holds = {bar["name"]: bar["holds"] for bar in report["bars"]}
    assert holds[f"{name}: AMI above BERTopic at its best"] is None
    assert holds[f"{name}: stability"] is (row["stability"] >= 0.85)
    table = as_table(report)
    assert "No public set was given" in table
    assert "were left out, as asked" in table
    assert "not measured" in table
    assert json.loads(json.dumps(report)) == report


def test_a_text_left_over_is_wrong_and_an_intent_counts_for_one_theme_only():
    intents = ["a"] * 6 + ["b"] * 4
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, -1, 2])

    assert one_to_one_accuracy(intents, labels) == pytest.approx((4 + 3) / 10)
    found = score_labels(intents, labels)
    assert (found["themes"], found["intents"], found["left_over"]) == (3, 2, 0.1)


def test_stability_weighs_large_themes_more_and_gives_nothing_for_a_lost_one():
    one = np.array([0] * 6 + [1] * 2 + [-1] * 2)

    assert matched_stability(one, one[::-1][::-1]) == 1.0
    # the large theme comes back under another number, the small one is in it
    other = np.array([5] * 8 + [-1] * 2)
    assert matched_stability(one, other) == pytest.approx((6 / 8) * 6 / 8)
    assert matched_stability(one, np.full(10, -1)) == 0.0


def test_a_name_is_good_if_it_says_a_word_of_the_intent_of_most_of_its_texts():
    intents = ["card_not_working"] * 3 + ["FindAgent"] * 4
    labels = np.array([0, 0, 0, 1, 1, 1, -1])

    assert name_quality(intents, labels, [["Broken cards"], ["Somebody near me", "agents"]]) == 1
    assert name_quality(intents, labels, [["Not the"], ["Somebody near me"]]) == 0
    # the seventh keyword is not read
    late = ["Somebody", *"pqrstu", "agent"]
    assert name_quality(intents, labels, [["Broken cards"], late]) == 0.5
    assert name_quality(intents, labels, []) is None


def row(method, **values):
    return {
        "method": method, "ami": 0.9, "ari": 0.7, "accuracy": 0.6, "stability": 0.9,
        "themes": 15, "intents": 10, "warm_seconds": 1.0, "cold_seconds": 2.0, **values,
    }  # fmt: skip


def test_bars_take_the_best_of_bertopic_and_its_defaults_for_time():
    peer = row("BERTopic", warm_seconds=2.4, cold_seconds=17.0)
    report = {"rows": [row("closedloop"), peer], "bertopic_at_best": {"ami": 0.91}}

    bars = {bar["name"]: bar for bar in set_bars({"clinc150": report})}

    assert bars["clinc150: AMI"]["holds"] is True
    assert bars["clinc150: themes, times off"]["measured"] == 1.5
    assert bars["clinc150: themes, times off"]["holds"] is True
    assert bars["clinc150: AMI above BERTopic at its best"]["holds"] is False
    assert bars["clinc150: times faster than BERTopic, warm"]["holds"] is False
    assert bars["clinc150: times faster than BERTopic, cold"]["holds"] is True


def test_too_few_themes_are_as_wrong_as_too_many():
    report = {"rows": [row("closedloop", themes=6)]}

    factor = next(b for b in set_bars({"x": report}) if "times off" in b["name"])

    assert factor["measured"] == pytest.approx(10 / 6)
    assert factor["holds"] is False


def test_an_uneven_sample_is_repeatable_and_uneven_and_holds_no_tiny_intent():
    whole = LabelledSet("w", [f"t{i}" for i in range(6_000)], [f"i{i % 60}" for i in range(6_000)])

    sample = uneven_sample(whole, seed=1)

    assert sample == uneven_sample(whole, seed=1) != uneven_sample(whole, seed=2)
    sizes = Counter(sample.intents).values()
    assert len(sizes) == 40
    assert 900 <= len(sample.texts) <= 1_000
    assert max(sizes) > 4 * min(sizes)
    assert all(whole.intents[int(t[1:])] == i for t, i in zip(*_both(sample), strict=True))


def _both(sample):
    return sample.texts, sample.intents


def test_sets_that_are_not_there_are_named_once(tmp_path):
    folder = tmp_path / "xsid_valid"
    folder.mkdir()
    for language in ("en", "id", "lt", "zh"):
        lines = f"# text = {language} one\n# intent = weather/find\n1\tx\ty\tO\n\n"
        (folder / f"{language}.valid.conll").write_text(lines)

    sets, missing = read_sets(tmp_path)

    assert [one.name for one in sets] == ["xsid_valid en", "xsid_valid all"]
    assert read_assistant(tmp_path).texts == ["en one", "id one", "lt one", "zh one"]
    assert sets[0].intents == ["weather/find"]
    assert len(missing) == 3


def test_a_made_up_set_is_the_same_for_the_same_seed():
    assert made_up_set(50, seed=1) == made_up_set(50, seed=1) != made_up_set(50, seed=2)


def test_many_texts_differ_and_their_themes_are_found_in_a_process_of_its_own(tmp_path):
    truth = make_many(tmp_path, 3_000, seed=1)

    lines = (tmp_path / "texts.txt").read_text().splitlines()
    assert len(set(lines)) == 3_000
    assert 0.05 < np.mean(truth < 0) < 0.15
    report = discover_many(tmp_path, 2_000, truth)
    assert report["texts"] == 2_000
    assert report["ami"] > 0.7
    assert report["peak_mb"] > report["mb_before"]


def scale_of(contacts, **values):
    """Return a report whose site took so long, the second time longer."""
    run = {"seconds": 100.0, "peak_mb": 900.0, "cpu_seconds": 90.0, "read": 20_000, "themes": 9}
    again = {**run, "seconds": 239.0, **values}
    site = [{"contacts": contacts, "first": run, "again": again, "ami": 0.9, "left_over": 0.1}]
    texts = {"texts": contacts, "seconds": 1.0, "cpu_seconds": 1.0, "peak_mb": 1.0}
    return {
        "runs": [{**texts, "themes": 200, "ami": 0.9}],
        "exponent": 0.5,
        "cpu_exponent": 0.5,
        "site": site,
        "site_exponents": {"first": 0.9, "again": 1.12},
        "sampling": None,
        "encoding": {
            "share_of_bare": 0.89,
            "per_second": {"ours": 89.0, "model_alone": 100.0, "padded": 50.0},
        },
    }


def test_seconds_and_memory_of_fewer_than_a_million_are_no_bar():
    holds = [bar["holds"] for bar in scale_bars(scale_of(40_000))]

    assert holds == [None, None, None, None, False]


def test_the_bars_of_scale_are_held_against_the_slower_pass_of_the_service():
    scale = scale_of(1_000_000, peak_mb=5_000.0)

    measured = {bar["name"]: (bar["measured"], bar["holds"]) for bar in scale_bars(scale)}
    lines = "\n".join(scale_lines(scale))

    assert measured["a million contacts: seconds"] == (239.0, True)
    assert measured["a million contacts: peak MB"] == (5_000.0, False)
    assert measured["growth of time, exponent"] == (1.12, False)
    assert "n^0.90 for the first time, n^1.12 once more" in lines
    assert "encoding 89 texts a second, 89% of" in lines


@pytest.mark.slow
def test_a_site_of_contacts_with_vectors_is_themed_twice_as_the_service_does_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(theme_scale, "N_CENTRES", 40)
    truth = make_many(tmp_path, 500, seed=1)

    report = retheme(tmp_path, 500, truth)

    assert (report["contacts"], report["first"]["read"], report["again"]["read"]) == (500,) * 3
    assert report["ami"] > 0.6
    assert 0 < report["left_over"] < 0.5
    assert report["again"]["peak_mb"] >= report["first"]["peak_mb"] > report["mb_before"]
    assert not list(tmp_path.glob("*.sqlite3"))
