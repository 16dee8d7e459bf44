"""Repeat rates and FCR over the API, from the daily roll-up, mature days only."""

from __future__ import annotations

from datetime import date

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import (
    NO_THEME,
    BasisOut,
    RepeatAnswer,
    RepeatFigures,
    RepeatGroup,
    RepeatQuery,
)
from closedloop.domain.contacts import (
    WINDOWS,
    Basis,
    Measure,
    Window,
    rule_in_words,
    window_for,
)
from closedloop.domain.errors import Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.repeat_shown import Shown
from closedloop.queries.repeats import (
    Figures,
    RepeatFilter,
    default_period,
    get_window_figures,
    list_group_figures,
)
from closedloop.queries.site import get_data_span
from closedloop.queries.theme_page import find_theme


@bp.get("/metrics/repeats")
@bp.doc(summary="Repeat rates and FCR")
@bp.input(RepeatQuery, location="query", arg_name="asked")
@bp.output(RepeatAnswer)
@needs("home.view")
def get_repeats_view(asked: RepeatQuery) -> RepeatAnswer:
    """Give one window over a period, as a whole and broken down by `by`."""
    window = _window(asked.window)
    span = get_data_span(db.session)
    zone = current_settings().reporting_zone
    days = span.whole_days(zone)
    if days is None:
        return _answer(window, None, None, None, [])
    first_day, cut = days
    wanted = _wanted(asked, first_day, cut, window, zone)
    k = current_settings().privacy_k
    every = get_window_figures(db.session, wanted, cut=cut, k=k, zone=zone)
    figures = next(f for f in every if f.window == window)
    groups = (
        list_group_figures(
            db.session, wanted, group=asked.by, window=window, cut=cut, k=k, zone=zone
        )
        if asked.by
        else []
    )
    shown = [
        RepeatGroup(value=g.key, label=g.label, **_figures(g.figures).model_dump()) for g in groups
    ]
    return _answer(window, wanted, figures, cut, shown)


def _window(key: str) -> Window:
    known = [window.key for window in WINDOWS]
    if key not in known:
        sentence = f"The windows are {', '.join(known)}."
        raise Invalid(sentence, {"window": sentence})
    return window_for(key)


def _wanted(
    asked: RepeatQuery, first_data: date, cut: date, window: Window, zone: str
) -> RepeatFilter:
    if asked.last_day and asked.last_day < first_data:
        sentence = f"“to” ({asked.last_day}) lies before the first day with data ({first_data})."
        raise Invalid(sentence, {"to": sentence})
    first, last = default_period(first_data, cut, window, zone, asked.last_day)
    first = asked.first_day or first
    if first > last:
        sentence = f"“from” ({first}) lies after “to” or the last day with data ({last})."
        raise Invalid(sentence, {"from": sentence})
    theme = asked.theme if asked.theme != NO_THEME else None
    return RepeatFilter(
        first_day=max(first, first_data),
        last_day=last,
        channel=asked.channel or None,
        queue=asked.queue or None,
        disposition=asked.disposition or None,
        team=asked.team or None,
        language=asked.language or None,
        theme_id=find_theme(db.session, theme).id if theme else None,
        without_theme=asked.theme == NO_THEME,
    )


def _answer(
    window: Window,
    wanted: RepeatFilter | None,
    figures: Figures | None,
    cut: date | None,
    groups: list[RepeatGroup],
) -> RepeatAnswer:
    return RepeatAnswer(
        window=window.key,
        first_day=wanted.first_day if wanted else None,
        last_day=figures.last_day if figures else None,
        data_to=cut,
        rule_any=rule_in_words(Measure.REPEAT_RATE, Basis.ANY, window),
        rule_same=rule_in_words(Measure.REPEAT_RATE, Basis.SAME, window),
        total=_figures(figures) if figures else None,
        groups=groups,
    )


def _figures(figures: Figures) -> RepeatFigures:
    """Return what may be shown: a cell of fewer than k people shows nothing."""
    shown = figures.shown
    return RepeatFigures(
        contacts=shown.contacts,
        identified=shown.identified,
        unidentified_share=shown.unidentified_share,
        any=_basis(shown, Basis.ANY),
        same=_basis(shown, Basis.SAME) if figures.can_tell(Basis.SAME) else None,
        is_hidden=shown.is_hidden,
    )


def _basis(shown: Shown, basis: Basis) -> BasisOut:
    return BasisOut(
        repeats=shown.repeats(basis),
        rate=shown.rates[basis].value,
        opening=shown.opening(basis),
        resolved=shown.resolved(basis),
        fcr=shown.fcr[basis].value,
    )
