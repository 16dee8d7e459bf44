"""Pages: repeat rates and FCR, from the daily roll-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus

from flask import Response, render_template, request, url_for

from closedloop.domain.contacts import (
    HEADLINE_WINDOW,
    WINDOWS,
    Basis,
    Measure,
    Window,
    rule_in_words,
    window_for,
)
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import NO_THEME, NOT_SAID, FilterOptions, get_filter_options
from closedloop.queries.repeat_shown import FIRST_CONTACT, RATES, Shown
from closedloop.queries.repeats import (
    Day,
    Figures,
    Group,
    GroupFigures,
    RepeatFilter,
    Trend,
    default_period,
    get_trend,
    get_window_figures,
    get_windows_and_trend,
    list_group_figures,
)
from closedloop.queries.site import DataSpan, get_data_span
from closedloop.web.contacts_asked import named_channels, named_languages
from closedloop.web.contacts_bp import after_period, before_data, bp, read_day
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import day as day_words
from closedloop.web.filters import pct
from closedloop.web.metric_words import cell_words
from closedloop.web.permissions import requires

GROUPS = {
    Group.CHANNEL: "Channel",
    Group.QUEUE: "Queue",
    Group.DISPOSITION: "Wrap-up code",
    Group.THEME: "Theme",
}
_PARTS = ("channel", "queue", "disposition", "theme", "team", "language")


@dataclass(frozen=True)
class Asked:
    """What the address asks for, in terms of the data there are."""

    wanted: RepeatFilter
    window: Window
    group: Group
    cut: date
    first_data_day: date
    values: dict[str, str]
    problems: list[str]
    _begins: dict[date | None, str] = field(default_factory=dict, repr=False)

    @property
    def parts(self) -> dict[str, Any]:
        """The channel, queue, wrap-up code and theme asked for, as addresses have them."""
        return {name: self.values[name] for name in _PARTS if name in self.values}

    def contacts_url(self, last_day: date | None, **more: str) -> str:
        """Return the list of exactly the contacts that a number counts."""
        # a page has hundreds of them: what they have in common is put together once
        if last_day not in self._begins:
            self._begins[last_day] = self._contacts_of(last_day)
        if self.parts.keys() & more.keys():
            return self._contacts_of(last_day, **more)
        return "&".join([self._begins[last_day], *(f"{n}={_quoted(v)}" for n, v in more.items())])

    def _contacts_of(self, last_day: date | None, **more: str) -> str:
        period = {
            "from": self.wanted.first_day.isoformat(),
            "to": (last_day or self.wanted.last_day).isoformat(),
        }
        values: dict[str, Any] = {**self.parts, **period, **more}
        return url_for("contacts.index", **values)

    def page_url(self, **more: str) -> str:
        """Return this page with something changed; an empty value takes a filter away."""
        values: dict[str, Any] = {**self.values, **more}
        return url_for("contacts.repeats", **{k: v for k, v in values.items() if v})

    def csv_url(self, table: str) -> str:
        """Return the CSV of one table of this page."""
        values: dict[str, Any] = {**self.values, "table": table}
        return url_for("contacts.repeats_csv", **values)


_quoted = lru_cache(maxsize=1024)(quote_plus)
"""A page has the same few values in hundreds of addresses."""


@bp.get("/repeats")
@requires("contacts.view")
def repeats() -> str:
    """Show repeat rates and FCR: five windows, the trend, and where repeats come from."""
    span = get_data_span(db.session)
    asked = _read(request.args, span)
    if asked is None:
        return render_template("contacts/repeats.html", asked=None)
    figures, trend = get_windows_and_trend(db.session, asked.wanted, **_ground_of_trend(asked))
    headline = next(f for f in figures if f.window == asked.window)
    has_themes = headline.can_tell(Basis.SAME)
    k = current_settings().privacy_k
    return render_template(
        "contacts/repeats.html",
        asked=asked,
        figures=figures,
        headline=headline,
        trend=trend,
        chart=_chart(trend, has_themes),
        day_rows=[_day_cells(day, has_themes) for day in trend.days],
        rules=_rules(asked.window),
        rate_words=rate_words,
        hidden_words=hidden_words,
        measures=tuple(Measure),
        groups=_groups(asked),
        group_names=GROUPS,
        windows=WINDOWS,
        bases=tuple(Basis),
        k=k,
        choices=_choices(asked, get_filter_options(db.session, last_day=span.last_day)),
    )


@bp.get("/repeats.csv")
@requires("contacts.view")
def repeats_csv() -> Response:
    """Send one table of the page: `table` is windows, days or groups."""
    asked = _read(request.args, get_data_span(db.session))
    table = request.args.get("table", "groups")
    if asked is None:
        return csv_response("repeats.csv", ["There are no contacts yet."], [])
    if table == "days":
        return csv_response(f"repeats-by-day-{asked.window.key}.csv", *_day_table(asked))
    if table == "windows":
        return csv_response("repeats-by-window.csv", *_window_table(asked))
    name = f"repeats-by-{asked.group.value}-{asked.window.key}.csv"
    return csv_response(name, *_group_table(asked))


def _read(args: Mapping[str, str], span: DataSpan) -> Asked | None:
    """Read the address; None when there is no complete day with contacts yet."""
    days = span.whole_days(_zone())
    if days is None:
        return None
    first_day, cut = days
    problems: list[str] = []
    keys = {window.key for window in WINDOWS}
    window = window_for(args["window"]) if args.get("window") in keys else HEADLINE_WINDOW
    asked_group = args.get("by", "")
    group = Group(asked_group) if asked_group in set(Group) else Group.CHANNEL
    asked_first = read_day(args.get("from", ""), "From", problems)
    asked_last = read_day(args.get("to", ""), "To", problems)
    first, last = default_period(first_day, cut, window, _zone(), asked_last)
    first = asked_first or first
    if asked_last and asked_last < first_day:
        problems.append(before_data(first_day))
    if first > last:
        problems.append(after_period(last))
        first = last
    names = ("window", "by", "from", "to", *_PARTS)
    values = {name: args[name][:200] for name in names if args.get(name)}
    theme = values.get("theme", "")
    wanted = RepeatFilter(
        first_day=max(first, first_day),
        last_day=last,
        channel=values.get("channel"),
        queue=values.get("queue"),
        disposition=values.get("disposition"),
        team=values.get("team"),
        language=values.get("language"),
        theme_id=int(theme) if theme.isascii() and theme.isdigit() and len(theme) < 10 else None,
        without_theme=theme == NO_THEME,
    )
    return Asked(wanted, window, group, cut, first_day, values, problems)


def _zone() -> str:
    return current_settings().reporting_zone


def _windows(asked: Asked) -> list[Figures]:
    k = current_settings().privacy_k
    return get_window_figures(db.session, asked.wanted, cut=asked.cut, k=k, zone=_zone())


def _groups(asked: Asked) -> list[GroupFigures]:
    return list_group_figures(
        db.session,
        asked.wanted,
        group=asked.group,
        window=asked.window,
        cut=asked.cut,
        k=current_settings().privacy_k,
        zone=_zone(),
    )


def _trend(asked: Asked) -> Trend:
    return get_trend(db.session, asked.wanted, **_ground_of_trend(asked))


def _ground_of_trend(asked: Asked) -> dict[str, Any]:
    return {
        "window": asked.window,
        "cut": asked.cut,
        "first_data_day": asked.first_data_day,
        "k": current_settings().privacy_k,
        "zone": _zone(),
    }


def _chart(trend: Trend, has_themes: bool) -> dict[str, Any]:
    """Return the data of the chart `repeat`; without themes nothing is claimed about the same."""
    return {
        "days": [day.day for day in trend.days],
        "any": [day.any for day in trend.days],
        "same": [day.same if has_themes else None for day in trend.days],
        "any7": [day.any7 for day in trend.days],
        "same7": [day.same7 if has_themes else None for day in trend.days],
        "maturing_from": trend.maturing_from,
        "marks": [],
    }


def _choices(asked: Asked, options: FilterOptions) -> dict[str, list[tuple[str, str]]]:
    def pairs(name: str, found: list[str]) -> list[tuple[str, str]]:
        keys = [value or NOT_SAID for value in found]
        chosen = asked.values.get(name)
        keys += [chosen] if chosen and chosen not in keys else []
        return [("", "All"), *((key, "none given" if key == NOT_SAID else key) for key in keys)]

    themes = [(str(theme.id), f"{theme.key} {theme.name}") for theme in options.themes]
    return {
        "channel": named_channels(pairs("channel", options.channels)),
        "queue": pairs("queue", options.queues),
        "disposition": pairs("disposition", options.dispositions),
        "team": pairs("team", options.teams),
        "language": named_languages(pairs("language", options.languages)),
        "theme": [("", "All"), (NO_THEME, "No theme"), *themes],
    }


def rate_words(shown: Shown, measure: Measure, basis: Basis, k: int) -> str:
    """Write a rate, or what may be said where it may not be shown, or a dash without any."""
    is_rate = measure == Measure.REPEAT_RATE
    metric = (RATES if is_rate else FIRST_CONTACT)[basis]
    return cell_words(metric, (shown.rates if is_rate else shown.fcr)[basis], k)


def hidden_words(shown: Shown, k: int) -> str:
    """Say why a count of a row is not there."""
    return f"fewer than {k}" if shown.is_few else "not shown"


def _rules(window: Window) -> list[tuple[str, str]]:
    """Return the rule of each column in words."""
    names = {Measure.REPEAT_RATE: "Repeats", Measure.FCR: "FCR"}
    return [
        (f"{name}, {basis.label.lower()}", rule_in_words(measure, basis, window))
        for measure, name in names.items()
        for basis in Basis
    ]


def _row(figures: Figures, k: int) -> list[Any]:
    """Return contacts and rates under `_HEADINGS`: numbers, small ones empty, then words."""
    shown = figures.shown
    if shown.is_hidden:
        return [*([None] * 7), hidden_words(shown, k), *([""] * 4)]
    cells = [*shown.rates.values(), *shown.fcr.values()]
    return [
        *(shown.contacts, shown.identified, _rounded(shown.unidentified_share)),
        *(_rounded(cell.value) for cell in cells),
        "",
        *(rate_words(shown, measure, basis, k) for measure in Measure for basis in Basis),
    ]


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 6)


_RATES = ("Repeats, any reason", "Repeats, same theme", "FCR, any reason", "FCR, same theme")
_HEADINGS = (
    *("Contacts", "With known customer", "Share without customer", *_RATES),
    *("Hidden", *(f"{name}, shown as" for name in _RATES)),
)


def _group_table(asked: Asked) -> tuple[tuple[str, ...], list[list[Any]]]:
    k = current_settings().privacy_k
    rows = [[group.label, *_row(group.figures, k)] for group in _groups(asked)]
    return (GROUPS[asked.group], *_HEADINGS), rows


def _window_table(asked: Asked) -> tuple[tuple[str, ...], list[list[Any]]]:
    k = current_settings().privacy_k
    found = _windows(asked)
    first = asked.wanted.first_day
    rows = [[f.window.label, first, f.last_day, *_row(f, k)] for f in found]
    return ("Window", "First day", "Last mature day", *_HEADINGS), rows


def _day_table(asked: Asked) -> tuple[tuple[str, ...], list[list[Any]]]:
    days = _trend(asked).days
    has_themes = any(day.same for day in days)
    headings = (
        *("Day", "Contacts", "With known customer", "Any reason, day", "Same theme, day"),
        *("Any reason, 7 days", "Same theme, 7 days"),
    )
    rows = [
        [
            *(d.day, d.shown_contacts, d.shown_identified),
            *(_rounded(rate) for rate in _rates(d, has_themes)),
        ]
        for d in days
    ]
    return headings, rows


def _rates(day: Day, has_themes: bool) -> tuple[float | None, ...]:
    same = (day.same, day.same7) if has_themes else (None, None)
    return (day.any, same[0], day.any7, same[1])


def _day_cells(day: Day, has_themes: bool) -> list[Any]:
    rates = (pct(rate) for rate in _rates(day, has_themes))
    known = "not shown" if day.shown_identified is None else day.shown_identified
    return [day_words(day.day), known, *rates]
