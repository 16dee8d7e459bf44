"""Every metric against a plain loop over contacts: does the arithmetic mean what its rule says?"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from closedloop.domain import metric_formulas as f

WINDOW = 7 * 86400


@dataclass(frozen=True)
class Came:
    """One contact of an invented history; times in seconds."""

    customer: int | None
    at: int
    theme: int | None
    handle: int | None
    gave_up: bool | None
    transfers: int | None
    resolved: bool | None
    says: bool | None
    csat: int | None
    nps: int | None
    ces: int | None


def maybe(strategy):
    return st.none() | strategy


contacts = st.builds(
    Came,
    customer=maybe(st.integers(1, 4)),
    at=st.integers(0, 40).map(lambda n: n * 43_200),  # half days: gaps of exactly seven days
    theme=maybe(st.integers(1, 2)),
    handle=maybe(st.integers(0, 900)),
    gave_up=maybe(st.booleans()),
    transfers=maybe(st.integers(0, 3)),
    resolved=maybe(st.booleans()),
    says=maybe(st.booleans()),
    csat=maybe(st.integers(1, 5)),
    nps=maybe(st.integers(0, 10)),
    ces=maybe(st.integers(1, 7)),
)
histories = st.lists(contacts, max_size=25)


def others(history, i, *, same, after):
    """Return the contacts of the same customer within the window after (or before) number i."""
    one = history[i]
    found = []
    for j, other in enumerate(history):
        later = (other.at, j) > (one.at, i)
        near = abs(other.at - one.at) <= WINDOW
        alike = not same or (one.theme is not None and one.theme == other.theme)
        if j != i and other.customer == one.customer and later is after and near and alike:
            found.append(other)
    return found


def known(history):
    return [i for i, one in enumerate(history) if one.customer is not None]


def opens(history, same):
    return [i for i in known(history) if not others(history, i, same=same, after=False)]


def followed(history, same):
    return [i for i in known(history) if others(history, i, same=same, after=True)]


def resolved(history, same):
    return [i for i in opens(history, same) if not others(history, i, same=same, after=True)]


def exact(part, whole):
    return float(Fraction(part, whole)) if whole else None


@given(histories)
def test_repeat_rates_share_avoidance_and_snowball_are_what_a_loop_counts(history):
    every = {"contacts": len(history), "identified": len(known(history))}
    came_after = [i for i in known(history) if others(history, i, same=False, after=False)]
    again, same = followed(history, False), followed(history, True)
    themed = sum(history[i].theme is not None for i in known(history))
    opening = len(opens(history, False))

    rate = f.repeat_rate_any(**every, followed=len(again))
    lower = f.repeat_rate_same(**every, themed=themed, followed=len(same))
    back = f.repeat_share(**every, opening=opening)
    silent = f.next_contact_avoidance(**every, followed=len(again))

    whole = len(known(history))
    assert rate.value == pytest.approx(exact(len(again), whole))
    assert back.value == pytest.approx(exact(len(came_after), whole))
    quiet = [i for i in known(history) if i not in again]
    assert silent.value == pytest.approx(exact(len(quiet), whole))
    assert lower.value == (pytest.approx(exact(len(same), whole)) if themed else None)
    if lower.value is not None and rate.value is not None:
        assert lower.value <= rate.value
    beyond = f.snowball_contacts(**every, opening=opening)
    assert beyond.value == (len(came_after) if whole else None)
    handled = sum(one.handle is not None for one in history)
    seconds = sum(history[i].handle or 0 for i in came_after)
    minutes = f.snowball_minutes(**every, opening=opening, handled=handled, beyond_seconds=seconds)
    assert minutes.value == (pytest.approx(seconds / 60) if whole and handled else None)


@given(histories)
def test_resolutions_are_what_a_loop_counts(history):
    every = {"contacts": len(history), "identified": len(known(history))}
    themed = sum(history[i].theme is not None for i in known(history))
    counts = {
        same: {"opening": len(opens(history, same)), "resolved": len(resolved(history, same))}
        for same in (False, True)
    }

    gross = f.fcr(**every, themed=themed, **counts[True])
    once = f.one_contact_resolution(**every, **counts[False])
    each = f.contacts_per_resolution(**every, followed=len(followed(history, False)))

    assert once.value == pytest.approx(
        exact(len(resolved(history, False)), len(opens(history, False)))
    )
    expected = exact(len(resolved(history, True)), len(opens(history, True)))
    assert gross.value == (pytest.approx(expected) if themed else None)
    ends = [i for i in known(history) if not others(history, i, same=False, after=True)]
    assert each.value == pytest.approx(exact(len(known(history)), len(ends)))
    # every chain has one end, and a chain is what the first contact of it opens
    assert len(ends) == len(opens(history, False))


@given(histories)
def test_marks_and_answers_are_what_a_loop_counts(history):
    n = len(history)

    def values(name):
        return [getattr(one, name) for one in history if getattr(one, name) is not None]

    says, csat, nps, ces = values("says"), values("csat"), values("nps"), values("ces")
    survey = f.fcr_survey(contacts=n, answers=len(says), yes=sum(says))
    assert survey.value == pytest.approx(exact(sum(says), len(says)))
    assert survey.coverage[0].share == pytest.approx(exact(len(says), n))
    found = f.csat(contacts=n, answers=len(csat), satisfied=sum(v >= 4 for v in csat))
    assert found.value == pytest.approx(exact(sum(v in (4, 5) for v in csat), len(csat)))
    promoters, detractors = sum(v >= 9 for v in nps), sum(v <= 6 for v in nps)
    score = f.nps(contacts=n, answers=len(nps), promoters=promoters, detractors=detractors)
    points = sum(1 if v in (9, 10) else -1 if v in range(7) else 0 for v in nps)
    assert score.value == pytest.approx(exact(100 * points, len(nps)))
    effort = f.ces(contacts=n, answers=len(ces), hundredths=sum(100 * v for v in ces))
    assert effort.value == pytest.approx(exact(sum(ces), len(ces)))
    marks = values("resolved")
    call = f.call_resolution(contacts=n, known=len(marks), yes=sum(marks))
    assert call.value == (pytest.approx(exact(sum(marks), n)) if marks else None)


@given(histories)
def test_handling_is_what_a_loop_counts(history):
    n = len(history)
    handled = [one.handle for one in history if one.handle is not None]
    aht = f.average_handle_time(contacts=n, handled=len(handled), handle_seconds=sum(handled))
    assert aht.value == pytest.approx(exact(sum(handled), len(handled)))
    queued = [one.gave_up for one in history if one.gave_up is not None]
    lost = f.abandonment_rate(contacts=n, queued=len(queued), abandoned=sum(queued))
    assert lost.value == pytest.approx(exact(sum(queued), len(queued)))
    moved = [one.transfers for one in history if one.transfers is not None]
    rate = f.transfer_rate(
        contacts=n, transferable=len(moved), transferred=sum(t > 0 for t in moved)
    )
    assert rate.value == pytest.approx(exact(sum(t >= 1 for t in moved), len(moved)))
    cost = f.cost_per_contact(
        contacts=n, priced=len(handled), pence=sum(s / 60 * 62 for s in handled)
    )
    expected = exact(sum(handled), len(handled))
    assert cost.value == (None if expected is None else pytest.approx(expected / 60 * 62))


def test_rates_of_a_driver_and_of_failure_demand():
    rate = f.contact_rate(contacts=30, volume=1200.0, days=10, days_with_volume=4)
    assert rate.value == pytest.approx(25.0)
    assert rate.coverage[0].share == pytest.approx(0.4)
    net = f.contact_rate_net(
        contacts=30, identified=20, opening=12, volume=1200.0, days=10, days_with_volume=4
    )
    assert net.value == pytest.approx(10.0)
    assert [part.share for part in net.coverage] == pytest.approx([0.4, 2 / 3])
    assert net.coverage[0].without_customer is None  # of days, which is another matter
    assert net.coverage[1].without_customer == pytest.approx(1 / 3)
    share = f.failure_share(contacts=200, judged=80, failure=60)
    assert share.value == pytest.approx(0.75)
    assert share.coverage[0].share == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (f.repeat_rate_any(contacts=9, identified=0, followed=0), "names its customer"),
        (f.repeat_rate_any(contacts=0, identified=0, followed=0), "No contact fits"),
        (f.repeat_rate_same(contacts=9, identified=9, themed=0, followed=0), "has a theme"),
        (f.fcr(contacts=9, identified=9, themed=0, opening=9, resolved=9), "has a theme"),
        (f.contacts_per_resolution(contacts=4, identified=4, followed=4), "No chain has closed"),
        (f.contact_rate(contacts=4, volume=0, days=9, days_with_volume=0), "Import one"),
        (f.contact_rate(contacts=4, volume=0, days=9, days_with_volume=9), "is nothing"),
        (
            f.contact_rate_net(
                contacts=4, identified=0, opening=0, volume=9.0, days=9, days_with_volume=9
            ),
            "names its customer",
        ),
        (
            f.contact_rate_net(
                contacts=4, identified=4, opening=4, volume=0, days=9, days_with_volume=0
            ),
            "Import one",
        ),
        (f.failure_share(contacts=4, judged=0, failure=0), "has been judged"),
        (f.call_resolution(contacts=4, known=0, yes=0), "does not say"),
        (f.cost_per_contact(contacts=4, priced=0, pence=0), "Set costs"),
        (
            f.snowball_minutes(contacts=9, identified=9, opening=4, handled=0, beyond_seconds=0),
            "handle time",
        ),
    ],
)
def test_what_cannot_be_told_says_why(found, words):
    assert found.value is None
    assert words in found.why
