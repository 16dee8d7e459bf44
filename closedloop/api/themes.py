"""Themes over the API."""

from __future__ import annotations

from sqlalchemy.orm import Session

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import (
    PrecisionOut,
    ThemeAction,
    ThemeDetail,
    ThemeFigures,
    ThemeList,
    ThemeOut,
    ThemeQuery,
)
from closedloop.domain.errors import Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.checks import Precision, get_precisions
from closedloop.queries.contact_drivers import find_driver
from closedloop.queries.site import get_data_span
from closedloop.queries.theme_figures import Figures
from closedloop.queries.theme_page import find_theme
from closedloop.queries.themes import (
    ThemeFilter,
    ThemePage,
    ThemeRow,
    ThemeView,
    get_theme_page,
    list_themes,
)

NO_DRIVER = "none"


@bp.get("/themes")
@bp.doc(summary="List themes")
@bp.input(ThemeQuery, location="query", arg_name="asked")
@bp.output(ThemeList)
@needs("themes.view")
def list_themes_view(asked: ThemeQuery) -> ThemeList:
    """Give themes, most contacts first."""
    if asked.view not in set(ThemeView):
        sentence = f"The views are {', '.join(ThemeView)}."
        raise Invalid(sentence, {"view": sentence})
    view = ThemeView.ALL if asked.status else ThemeView(asked.view)
    wanted = ThemeFilter(
        view=view,
        q=asked.q,
        status=asked.status,
        driver_id=_driver_id(asked.contact_driver),
        next_key=find_theme(db.session, asked.next_theme).key if asked.next_theme else "",
        after=asked.after[:20],
    )
    found = list_themes(db.session, wanted, k=current_settings().privacy_k, limit=asked.limit)
    return ThemeList(items=[_theme(row) for row in found.rows], next=found.after or None)


def _driver_id(key: str) -> int | None:
    """Return the number of a contact driver, 0 for `none`, None where nothing was asked."""
    if not key:
        return None
    return 0 if key == NO_DRIVER else find_driver(db.session, key).id


def _theme(row: ThemeRow) -> ThemeOut:
    return ThemeOut(
        key=row.key,
        name=row.name,
        status=row.status,
        demand_type=row.demand_type,
        quadrant=row.quadrant,
        department=row.department_name,
        owner=row.owner_name,
        contact_driver=row.driver_key or None,
        summary=row.summary,
        figures=figures_out(row.figures),
    )


def figures_out(figures: Figures | None) -> ThemeFigures | None:
    """Return what may be shown of a theme's figures as the API gives it."""
    if figures is None:
        return None
    return ThemeFigures(
        as_of=figures.as_of,
        contacts=figures.contacts,
        customers=figures.customers,
        repeat_rate_any=figures.repeat_any,
        repeat_rate_same=figures.repeat_same,
        unidentified_share=figures.unidentified_share,
        handle_seconds=None if figures.minutes is None else figures.handle_seconds,
        priority=figures.priority,
    )


@bp.get("/themes/<string(maxlength=20):key>")
@bp.doc(summary="One theme")
@bp.output(ThemeDetail)
@needs("themes.view")
def get_theme_view(key: str) -> ThemeDetail:
    """Give one theme with what people agreed about it."""
    return theme_detail(db.session, key)


def theme_detail(session: Session, key: str) -> ThemeDetail:
    """Return a theme as the API gives it."""
    first_day = get_data_span(session).first_day
    page = get_theme_page(session, key, k=current_settings().privacy_k, first_day=first_day)
    theme_id = page.theme.id
    checked = get_precisions(session, [theme_id]).get(theme_id) if page.figures else None
    return _detail(page, precision_out(checked))


def precision_out(found: Precision | None) -> PrecisionOut | None:
    """Return a measured precision as the API gives it."""
    return PrecisionOut(**vars(found), value=found.share) if found else None


def _detail(page: ThemePage, precision: PrecisionOut | None) -> ThemeDetail:
    theme = page.theme
    return ThemeDetail(
        key=theme.key,
        name=theme.name,
        status=theme.status,
        demand_type=theme.demand_type,
        quadrant=page.quadrant,
        department=theme.department.name if theme.department else "",
        owner=theme.owner.name if theme.owner else "",
        contact_driver=theme.driver.key if theme.driver else None,
        summary=theme.scenario or page.summary,
        figures=figures_out(page.figures),
        scenario=theme.scenario,
        cause=theme.cause,
        strategy=theme.strategy,
        keywords=[] if page.is_small else [str(word) for word in theme.keywords],
        definition=page.definition_number,
        precision=precision,
        actions=[ThemeAction(key=action.key, title=action.title) for action in page.actions],
    )
