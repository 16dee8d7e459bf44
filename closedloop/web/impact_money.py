"""What the pages of impact say of time and money."""

from __future__ import annotations

from typing import Any

from closedloop.domain.money_words import RULES, channel_name, money_notes, why_no_repeats
from closedloop.domain.payback import payback_words
from closedloop.queries.impact_money import money_of
from closedloop.queries.impact_page import FullMeasurement, ImpactPage
from closedloop.web.permissions import user_may


def money_context(page: ImpactPage, full: FullMeasurement, *, pence_now: float) -> dict[str, Any]:
    """Return what `templates/impact/_money.html` needs beside the action and the measurement."""
    money = money_of(
        full,
        page.costs,
        pence_now=pence_now,
        # as it stood, nothing had come back yet
        came_back_since=None if page.stood else page.action.came_back_since,
    )
    return {
        "money": money,
        "money_rules": RULES,
        "money_notes": money_notes(money.claim.facts) if money.has_range else [],
        "why_no_repeats": why_no_repeats(
            money.repeats_before, money.repeats_after, has_moved=full.measured.has_moved
        ),
        "payback": payback_words(money.payback),
        "channel_name": channel_name,
        "may_cost": user_may("actions.work"),
    }
