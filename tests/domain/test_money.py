"""What a contact is worth, as it was known when something was measured."""

from __future__ import annotations

import dataclasses
import json

import pytest

from closedloop.domain.money import ChannelFacts, MoneyFacts, Price, read_facts
from closedloop.domain.money_words import channel_name, money_notes, why_no_repeats
from closedloop.domain.payback import RepeatShare


def channel(name: str | None = "phone", **values) -> ChannelFacts:
    return ChannelFacts(
        **{
            "channel": name,
            "share": 1.0,
            "contacts": 1000,
            "handled": 1000,
            "weeks": 52,
            "handle_seconds": 480.0,
            "handle_error": 12.0,
            "pence_per_minute": 62.0,
            "price": Price.OWN,
            **values,
        }
    )


def test_facts_come_back_from_json_as_they_were():
    facts = MoneyFacts(
        (channel(share=0.8), channel(None, share=0.2, handle_seconds=None, handle_error=None)),
        person_minutes=90_000.0,
    )

    kept = json.loads(json.dumps(facts.as_detail()))

    assert read_facts(kept, handle_seconds=1.0, pence_per_minute=1.0) == facts


def test_an_older_measurement_has_its_two_columns_alone():
    facts = read_facts(None, handle_seconds=300.0, pence_per_minute=62.0)

    assert (facts.mean_seconds, facts.mean_pence) == (300, 62)
    assert not facts.knows_error
    assert "before handle times were kept by channel" in money_notes(facts)[0]


def test_an_older_measurement_without_handle_times_or_price_knows_neither():
    facts = read_facts(None, handle_seconds=0.0, pence_per_minute=0.0)

    assert (facts.mean_seconds, facts.mean_pence) == (None, None)
    assert (facts.timed_share, facts.priced_share) == (0, 0)


def test_means_are_weighted_by_contacts_and_prices_by_minutes():
    facts = MoneyFacts(
        (
            channel(share=0.75, handle_seconds=100.0, pence_per_minute=60.0),
            channel("chat", share=0.25, handle_seconds=300.0, pence_per_minute=20.0),
        )
    )

    assert facts.mean_seconds == pytest.approx(150)
    assert facts.mean_pence == pytest.approx((75 * 60 + 75 * 20) / 150)


def test_the_price_of_today_stands_in_only_where_none_was_set():
    without = MoneyFacts((channel(pence_per_minute=None, price=Price.NONE),))
    partly = MoneyFacts((channel(), channel("chat", pence_per_minute=None, price=Price.NONE)))

    assert without.at_price(71).mean_pence == 71
    assert without.at_price(71).is_priced_now
    assert without.at_price(0) is without
    assert partly.at_price(71) is partly


def test_what_is_left_out_or_stands_in_is_said():
    facts = MoneyFacts(
        (
            channel(share=0.5),
            channel("e_mail", share=0.3, handle_seconds=None, handle_error=None),
            channel("chat", share=0.1, price=Price.SITE),
            channel(None, share=0.06, price=Price.OTHER),
            channel("fax", share=0.04, pence_per_minute=None, price=Price.NONE),
        )
    )

    said = " ".join(money_notes(facts)).replace("\N{NARROW NO-BREAK SPACE}", " ")

    assert "Nothing is claimed for e mail (30 % of the theme's contacts)" in said
    assert "The price of every other channel stands in for other channels." in said
    assert "No price was set for chat on all counted days: the site's cost" in said
    assert "No money is claimed for fax: a minute there has no price." in said


def test_facts_without_a_gap_need_no_word():
    assert money_notes(MoneyFacts((channel(),))) == []


def test_handle_times_of_one_week_are_said_to_be_unsure():
    one_week = dataclasses.replace(channel(), weeks=1, handle_error=None)

    assert "of one week" in money_notes(MoneyFacts((one_week,)))[0]


def test_channels_are_named_as_people_name_them():
    assert channel_name(None) == "other channels"
    assert channel_name("") == "no channel named"
    assert channel_name("live_chat") == "live chat"


def test_it_is_said_why_repeats_are_not_told():
    some, few = RepeatShare(100, 20), RepeatShare(3, 1)

    assert "before the change" in why_no_repeats(few, some, has_moved=False)
    assert "since the change" in why_no_repeats(some, few, has_moved=False)
    assert "moved" in why_no_repeats(some, some, has_moved=True)
