"""What the pages of impact say of time and money."""

from __future__ import annotations

from typing import Any

from closedloop.domain.money_words import RULES, channel_name, money_notes, why_no_repeats
from closedloop.domain.payback import payback_words
from closedloop.extensions import current_settings, db
from closedloop.queries.impact import Measured
from closedloop.queries.impact_money import get_action_money
from closedloop.queries.site import get_pence_per_minute
from closedloop.web.permissions import user_may


def money_context(measured: Measured) -> dict[str, Any]:
    """Return what `templates/impact/_money.html` needs beside the action and the measurement."""
    pence_now = get_pence_per_minute(db.session, current_settings().pence_per_minute)
    money = get_action_money(db.session, measured, pence_now=pence_now)
    return {
        "money": money,
        "money_rules": RULES,
        "money_notes": money_notes(money.claim.facts) if money.has_range else [],
        "why_no_repeats": why_no_repeats(
            money.repeats_before, money.repeats_after, has_moved=measured.has_moved
        ),
        "payback": payback_words(money.payback),
        "channel_name": channel_name,
        "may_cost": user_may("actions.work"),
    }
