"""The life of a theme over the API: definitions, lineage, and how well contacts fit by week."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import Out, Rate, ThemeRef, theme_ref
from closedloop.api.themes_curation import THEME
from closedloop.domain.drift import RULE, Watched
from closedloop.extensions import current_settings, db
from closedloop.queries.drift import Drift, get_site_drift, get_theme_drift
from closedloop.queries.lineage import StepKind, get_lineage, list_definitions
from closedloop.queries.theme_page import find_theme

_MISSING = {404: "There is no such theme."}


class DefinitionOut(Out):
    """By what contacts are recognised as the theme, from a day on."""

    number: int
    set_number: int
    is_latest: bool
    created_at: datetime
    encoder: str
    groups: int = Field(description="Groups of contacts by whose texts it is recognised.")
    languages: list[str] = Field(
        description="ISO 639-1 codes of those its texts are mainly in, most spoken first."
    )
    reason: str
    assigned_at: datetime | None = Field(description="When the whole history stood under it.")


class DefinitionList(Out):
    """Definitions of a theme, newest first."""

    items: list[DefinitionOut]


class StepOut(Out):
    """One step of a theme's life; with the other theme where there is one."""

    at: datetime
    kind: StepKind
    text: str
    other: ThemeRef | None


class Lineage(Out):
    """Where a theme comes from and what became of it, oldest first."""

    items: list[StepOut]


class WatchedOut(Out):
    """Whether a mean fell; null while there are too few weeks to say."""

    is_aged: bool | None
    before: Rate | None
    lately: Rate | None


class WeekOut(Out):
    """A week from its Monday; null where too few customers are behind it."""

    week_from: date
    contacts: int | None
    confidence: Rate | None
    coverage: Rate | None = Field(description="Of all contacts; null for a single theme.")


class Fit(Out):
    """How surely contacts fit, by week, oldest first, and whether the definition ages."""

    definition_from: date | None
    rule: str
    confidence: WatchedOut
    coverage: WatchedOut
    weeks: list[WeekOut]


@bp.get(f"{THEME}/definitions")
@bp.doc(summary="Definitions of a theme", responses=_MISSING)
@bp.output(DefinitionList)
@needs("themes.view")
def list_definitions_view(key: str) -> DefinitionList:
    """Give the numbered definitions; none of them ever changes."""
    rows = list_definitions(db.session, find_theme(db.session, key).id)
    return DefinitionList(
        items=[
            DefinitionOut(
                number=row.number,
                set_number=row.set_number,
                is_latest=row.is_latest,
                created_at=row.created_at,
                encoder=row.encoder,
                groups=row.labels,
                languages=list(row.languages),
                reason=row.reason,
                assigned_at=row.assigned_at,
            )
            for row in rows
        ]
    )


@bp.get(f"{THEME}/lineage")
@bp.doc(summary="Lineage of a theme", responses=_MISSING)
@bp.output(Lineage)
@needs("themes.view")
def get_lineage_view(key: str) -> Lineage:
    """Give births, splits, mergers, new definitions and ends."""
    steps = get_lineage(db.session, find_theme(db.session, key))
    return Lineage(
        items=[
            StepOut(
                at=step.at,
                kind=step.kind,
                text=step.text,
                other=theme_ref(step.other_key, step.other_name),
            )
            for step in steps
        ]
    )


@bp.get(f"{THEME}/fit")
@bp.doc(summary="How surely contacts fit a theme, by week", responses=_MISSING)
@bp.output(Fit)
@needs("themes.view")
def get_fit_view(key: str) -> Fit:
    """Give the weeks of one theme under its definition of today."""
    theme = find_theme(db.session, key)
    return _fit(get_theme_drift(db.session, theme.id, k=current_settings().privacy_k))


@bp.get("/themes/fit")
@bp.doc(summary="How surely contacts fit their themes, by week")
@bp.output(Fit)
@needs("themes.view")
def get_site_fit_view() -> Fit:
    """Give the weeks of all contacts with text, with coverage, since the last look for themes."""
    return _fit(get_site_drift(db.session, k=current_settings().privacy_k))


def _fit(drift: Drift) -> Fit:
    return Fit(
        definition_from=drift.began,
        rule=RULE,
        confidence=_watched(drift.confidence),
        coverage=_watched(drift.coverage),
        weeks=[
            WeekOut(
                week_from=week.monday,
                contacts=week.contacts,
                confidence=week.confidence,
                coverage=week.coverage,
            )
            for week in drift.weeks
        ],
    )


def _watched(found: Watched) -> WatchedOut:
    return WatchedOut(is_aged=found.is_aged, before=found.before, lately=found.lately)
