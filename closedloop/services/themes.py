"""Themes: discover, assign, count, and what people write about them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.domain.audit import Actor
from closedloop.domain.curation import check_name
from closedloop.domain.errors import Conflict, Invalid, InvalidTransition
from closedloop.domain.themes import AGREED_STATUSES, ThemeStatus
from closedloop.domain.triage import check_scenario
from closedloop.models import Theme
from closedloop.services.assignment import AssignResult, assign_contacts
from closedloop.services.audit import record_event
from closedloop.services.definitions import ThemeMaker, get_theme_to_change
from closedloop.services.describing import note_description
from closedloop.services.discovery import DiscoveryResult, discover_themes
from closedloop.services.theme_moves import move_theme
from closedloop.services.theme_stats import refresh_theme_stats

__all__ = [
    "AssignResult",
    "DiscoveryResult",
    "ThemeMaker",
    "assign_contacts",
    "describe_cause",
    "describe_scenario",
    "discover_themes",
    "refresh_theme_stats",
    "rename_theme",
]

CAUSE_LENGTH = 2_000


def rename_theme(session: Session, *, theme_id: int, name: str, by: Actor) -> Theme:
    """Give a theme a name of one's own; no run changes it from then on.

    Raises
    ------
    NotFound
    Invalid
        If the name is empty or longer than 160 characters.
    Conflict
        If the theme has been merged into another one.
    """
    theme = get_theme_to_change(session, theme_id)
    _refuse_merged(theme)
    name = check_name(name)
    if name == theme.name and theme.is_named_by_person:
        return theme
    stood = {"name": theme.name, "is_named_by_person": theme.is_named_by_person}
    before, theme.name, theme.is_named_by_person = theme.name, name, True
    note_description(session, theme=theme, before=stood, by=by)
    record_event(
        session,
        by=by,
        verb="themes.renamed",
        target_kind="theme",
        target_id=theme.id,
        summary=f"renamed {theme.key} from {before} to {name}",
        detail={"from": before, "to": name},
    )
    session.flush()
    return theme


def describe_cause(session: Session, *, theme_id: int, cause: str, by: Actor) -> Theme:
    """Write down what the company does that makes customers contact it.

    A triaged theme moves on: its cause is known.

    Raises
    ------
    NotFound
    Invalid
        If the cause is empty or longer than 2,000 characters.
    InvalidTransition
        If nobody has accepted the theme yet, or it was dismissed.
    Conflict
        If the theme has been merged into another one.
    """
    theme = get_theme_to_change(session, theme_id)
    _refuse_merged(theme)
    if theme.status not in AGREED_STATUSES:
        raise InvalidTransition(f"Accept {theme.key} first; its cause can be described then.")
    cause = " ".join(cause.split())
    if not 0 < len(cause) <= CAUSE_LENGTH:
        sentence = f"Say what makes it happen, in at most {CAUSE_LENGTH:,} characters."
        raise Invalid(sentence, {"cause": sentence})
    if cause == theme.cause:
        return theme
    stood = {"cause": theme.cause, "status": theme.status.value}
    theme.cause = cause
    record_event(
        session,
        by=by,
        verb="themes.cause_described",
        target_kind="theme",
        target_id=theme.id,
        summary=f"described the cause of {theme.key} {theme.name}",
    )
    if theme.status is ThemeStatus.TRIAGED:
        why = "its cause was described"
        move_theme(session, theme=theme, wanted=ThemeStatus.CAUSE_KNOWN, why=why, by=by)
    note_description(session, theme=theme, before=stood, by=by)
    return theme


def describe_scenario(session: Session, *, theme_id: int, scenario: str, by: Actor) -> Theme:
    """Write down in one sentence what goes wrong for the customer.

    Raises
    ------
    NotFound
    Invalid
        If the sentence says too little, or is longer than 2,000 characters.
    Conflict
        If the theme has been merged into another one.
    """
    theme = get_theme_to_change(session, theme_id)
    _refuse_merged(theme)
    scenario = check_scenario(scenario)
    if len(scenario) > CAUSE_LENGTH:
        sentence = f"Say it in one sentence, in at most {CAUSE_LENGTH:,} characters."
        raise Invalid(sentence, {"scenario": sentence})
    if scenario == theme.scenario:
        return theme
    stood = {"scenario": theme.scenario}
    theme.scenario = scenario
    note_description(session, theme=theme, before=stood, by=by)
    record_event(
        session,
        by=by,
        verb="themes.described",
        target_kind="theme",
        target_id=theme.id,
        summary=f"described what goes wrong in {theme.key} {theme.name}",
    )
    session.flush()
    return theme


def _refuse_merged(theme: Theme) -> None:
    if theme.status is ThemeStatus.MERGED and theme.merged_into is not None:
        into = theme.merged_into
        raise Conflict(f"{theme.key} is part of {into.key} {into.name} now; change that one.")
