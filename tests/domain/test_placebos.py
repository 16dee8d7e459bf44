"""A site's own false alarms, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from closedloop.domain.placebos import PlaceboFigures, alarm, reservation, say_all, spread, told

FINE = PlaceboFigures(date(2026, 5, 11), 312, 9, 1.02, 1248, 1186, "2.0")


def plain(text):
    return text.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_the_sentence_has_count_rate_and_interval():
    assert plain(told(FINE)) == (
        "On 312 dates on which nothing was changed the method cried wolf 9 times: 2.9 % "
        "(1.5 to 5.4 %)."
    )
    assert FINE.coverage == 1186 / 1248


def test_none_and_one_are_words():
    assert "cried wolf never: 0.0 % (0.0 to 1.2 %)" in plain(told(replace(FINE, n_false=0)))
    assert "On 1 date on which" in told(replace(FINE, n=1, n_false=1))
    assert "cried wolf once" in told(replace(FINE, n_false=1))


def test_a_method_that_does_well_raises_no_alarm():
    assert alarm(FINE) == ""
    assert alarm(replace(FINE, sd_z=1.15)) == ""
    assert alarm(replace(FINE, sd_z=None)) == ""


def test_ranges_that_are_too_narrow_raise_one():
    assert "1.16 times as wide" in alarm(replace(FINE, sd_z=1.16))


def test_more_false_alarms_than_promised_raise_one_when_chance_is_ruled_out():
    assert alarm(replace(FINE, n_false=23)) == ""  # 7.4 %, from 4.96 % up
    assert "more often here than the 5" in alarm(replace(FINE, n_false=24))  # from 5.2 % up


def test_a_small_check_says_so_and_raises_none():
    few = replace(FINE, n=49, n_false=20, sd_z=2.0)
    assert alarm(few) == ""
    assert reservation(few) == "With fewer than 50 such dates that says little yet."
    assert reservation(FINE) == ""


def test_what_is_published_holds_the_rate_and_how_far_results_lay_from_expectation():
    assert spread(FINE) == (
        "Results lay 1.02 times as far from what was expected as the method thinks (spread of z; "
        "1 is right)."
    )
    assert say_all(FINE) == f"{told(FINE)} {spread(FINE)}"
    assert say_all(replace(FINE, sd_z=None)) == told(FINE)


def test_no_date_is_no_rate():
    nothing = replace(FINE, n=0, n_false=0, n_looks=0, n_covered=0)
    assert (nothing.rate, nothing.interval, nothing.coverage) == (0.0, (0.0, 1.0), None)
