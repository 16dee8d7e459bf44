"""What the looks would see of a change, in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from closedloop.domain.power import Foresight, LookAhead, WiderView, advise, cases, foresee


def look(number, chance, seen, day=date(2026, 3, 4), expected=300.0):
    days = (14, 28, 56, 84)[number - 1]
    return LookAhead(number, days, day, expected, chance, seen, speaks=expected >= 30)


def foresight(*looks, **values):
    return Foresight(
        **{
            "key": "A-001",
            "theme_key": "T-001",
            "live_on": date(2026, 2, 5),
            "rollout_days": 0,
            "data_to": date(2026, 2, 4),
            "n_pre": 300,
            "history_lacking": 0,
            "themes": 1,
            "controls": 12,
            "expected_drop": 0.3,
            "smallest_drop": 0.2,
            "per_day": 10.0,
            "looks": looks,
            **values,
        }
    )


CLEAR = foresight(look(1, 0.61, 0.36), look(2, 0.92, 0.12), look(3, 0.99, 0.1))
HOPELESS = foresight(
    look(1, 0.1, 0.9),
    look(2, 0.41, 0.55, date(2026, 5, 26)),
    look(3, 0.41, 0.55),
    look(4, 0.3, None),
)


def said(found):
    return [
        text.replace("\N{NARROW NO-BREAK SPACE}", " ") for text in (*foresee(found), *advise(found))
    ]


def test_what_can_be_proven_names_the_first_reliable_look():
    assert CLEAR.sure == CLEAR.looks[1]
    assert said(CLEAR) == [
        "If it works as planned (30 % fewer), the look on 4 March 2026 would prove it in 92 of "
        "100 cases.",
        "A drop under 12 % may stay unseen.",
    ]


def test_what_is_worth_having_may_lie_below_what_is_seen():
    assert said(replace(CLEAR, smallest_drop=0.05))[-1] == (
        "The smallest drop worth having, 5 %, is less than any look sees reliably: 10 %."
    )


def test_what_is_hopeless_names_the_best_look_and_what_would_help():
    first, unseen, advice = said(HOPELESS)

    assert HOPELESS.sure is None
    assert first == (
        "If it works as planned (30 % fewer), none of the looks would prove it reliably: the best "
        "of them, on 26 May 2026, in 41 of 100 cases."
    )
    assert unseen == "A drop under 55 % may stay unseen."
    assert advice.startswith("Aim at a wider theme or at a larger drop")


def test_advice_names_days_and_the_family_that_would_do():
    helped = replace(
        HOPELESS,
        later=look(4, 0.85, 0.28, date(2026, 7, 29)),
        wider=WiderView(3, look(3, 0.9, 0.2, date(2026, 4, 1))),
    )
    days, family = said(helped)[2:]

    assert days == (
        "Give it more days: the quarterly look on 29 July 2026 would prove it in 85 of 100 cases."
    )
    assert family == (
        "Measure at the family: if the fix reaches the 3 themes that are alike, the look on "
        "1 April 2026 would prove 30 % fewer over all of them in 90 of 100 cases. Name them on "
        "the action before it ships."
    )


def test_a_theme_that_may_not_be_judged_says_what_is_missing():
    mute = (look(1, 0.0, None, expected=5.8), look(2, 0.0, None, expected=11.6))

    assert said(foresight(*mute, n_pre=41, history_lacking=19)) == [
        "It could not be judged yet: there are 41 days of contacts to compare with, and 19 days "
        "more are needed before it goes live.",
        "Ship it 19 days later, if that costs nothing.",
    ]
    assert said(foresight(*mute))[0] == (
        "The looks could not judge it: fewer than 30 contacts are to be expected in 28 days, too "
        "few to tell a change from chance."
    )


def test_a_look_that_sees_nothing_says_so():
    found = foresight(look(1, 0.05, None))
    assert said(found)[1] == "Even if nearly all of its contacts went away, it might stay unseen."


def test_a_chance_is_never_called_certain_or_impossible():
    assert cases(0.9999) == "more than 99 of 100 cases"
    assert cases(0.991) == "99 of 100 cases"
    assert cases(0.001) == "fewer than 1 of 100 cases"
