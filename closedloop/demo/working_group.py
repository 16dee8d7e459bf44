"""What Northbank's working group does: find the themes, bring them together, decide on each."""

from __future__ import annotations

from collections import Counter
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.demo.calendar import ZONE
from closedloop.demo.centre import DemoCentre
from closedloop.demo.scenario import FIXES, PEOPLE, Fix
from closedloop.demo.site import Site, on
from closedloop.demo.stories import TRIAGE_STORIES, TriageStory
from closedloop.domain.audit import NIGHTLY_ROUND
from closedloop.domain.clock import today
from closedloop.domain.themes import DemandType, Strategy, ThemeStatus
from closedloop.models import Contact, Theme
from closedloop.services.themes import discover_themes
from closedloop.services.triage import (
    accept_candidate,
    dismiss_candidate,
    merge_themes,
    park_theme,
    return_parked,
)

DISCOVERED_ON = date(2025, 12, 1)
BACK_ON = date(2026, 5, 4)
"""Day on which what the working group put off comes back to it."""


def agree(site: Site) -> None:
    """Find themes, bring together what is one matter, and let the working group decide."""
    with on(DISCOVERED_ON, hour=3):
        discover_themes(
            site.transactions, settings=site.settings, by=NIGHTLY_ROUND, seed=0, report=site.report
        )
    stories = {story.intent: story for story in TRIAGE_STORIES}
    with on(DISCOVERED_ON, hour=14), site.transactions() as session:
        for intent, theme_ids in _themes_by_intent(session, site.centre).items():
            site.themes[intent] = theme_ids[0]
            for other in theme_ids[1:]:
                merge_themes(
                    session,
                    settings=site.settings,
                    theme_id=other,
                    into_id=theme_ids[0],
                    reason="The same failure in other words.",
                    by=site.manager,
                )
    day = date(2025, 12, 2)
    for intent, theme_id in site.themes.items():
        with on(day, hour=11), site.transactions() as session:
            _decide(session, site, theme_id, stories.get(intent))
    for fix in FIXES:
        _join_siblings(site, fix)


def _themes_by_intent(session: Session, centre: DemoCentre) -> dict[str, list[int]]:
    """Return the candidates of each dominant intent, largest first, in the order of their size."""
    rows = session.execute(
        sa.select(Theme.id, Contact.source_contact_id)
        .join(Contact, Contact.theme_id == Theme.id)
        .where(Theme.status == ThemeStatus.CANDIDATE)
    )
    counts: dict[int, Counter[str]] = {}
    for theme_id, contact_id in rows:
        counts.setdefault(theme_id, Counter())[centre.intent_of(contact_id)] += 1
    by_intent: dict[str, list[int]] = {}
    for theme_id in sorted(counts, key=lambda t: (-counts[t].total(), t)):
        intent = min(counts[theme_id], key=lambda name: (-counts[theme_id][name], name))
        by_intent.setdefault(intent, []).append(theme_id)
    return by_intent


def _decide(session: Session, site: Site, theme_id: int, story: TriageStory | None) -> None:
    if story and story.decision == "accept":
        accept_candidate(
            session,
            theme_id=theme_id,
            name=story.name,
            scenario=story.failure_scenario,
            demand_type=DemandType(story.demand),
            customer_values=story.customer_values,
            company_values=story.company_values,
            department_id=site.departments[story.department],
            strategy=Strategy.ELIMINATE,
            owner_id=_speaker(site, story.department),
            by=site.manager,
        )
    elif story and story.decision == "dismiss":
        dismiss_candidate(session, theme_id=theme_id, reason=story.note, by=site.manager)
    else:  # parked for good reasons, or put off until the first actions have shipped
        is_parked = story is not None and story.decision == "park"
        park_theme(
            session,
            theme_id=theme_id,
            until=date(2026, 9, 1) if is_parked else BACK_ON,
            reason=(story and story.note) or "Put off until the first actions have shipped.",
            today=today(ZONE.key),
            by=site.manager,
        )


def _speaker(site: Site, department: str) -> int | None:
    """Return who speaks for a department."""
    names = [p.name for p in PEOPLE if p.department == department and p.role == "stakeholder"]
    return site.people[names[0]].user_id if names else None


def _join_siblings(site: Site, fix: Fix) -> None:
    """Merge what one fix is meant for, where discovery found it as several themes."""
    first, *rest = [site.themes[intent] for intent in fix.intents if intent in site.themes]
    for other in rest:
        with on(date(2025, 12, 3), hour=15), site.transactions() as session:
            merge_themes(
                session,
                settings=site.settings,
                theme_id=other,
                into_id=first,
                reason="One cause, one fix: nobody says when the card comes.",
                by=site.manager,
            )


def bring_back(site: Site) -> None:
    """Bring back what was put off until `BACK_ON`."""
    with site.transactions() as session:
        return_parked(session, today=BACK_ON, by=NIGHTLY_ROUND)
