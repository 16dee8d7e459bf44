"""Pages: repeat rates and FCR, from the daily roll-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

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
    list_group_figures,
)
from closedloop.queries.site import DataSpan, get_data_span
from closedloop.web.contacts_bp import bp, read_day
from closedloop.web.csv_files import csv_response
from closedloop.web.filters import day as day_words
from closedloop.web.filters import pct
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

    @property
    def parts(self) -> dict[str, Any]:
        """The channel, queue, wrap-up code and theme asked for, as addresses have them."""
        return {name: self.values[name] for name in _PARTS if name in self.values}

    def contacts_url(self, last_day: date | None, **more: str) -> str:
        """Return the list of exactly the contacts that a number counts."""
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


@bp.get("/repeats")
@requires("contacts.view")
def repeats() -> str:
    """Show repeat rates and FCR: five windows, the trend, and where repeats come from."""
    span = get_data_span(db.session)
    asked = _read(request.args, span)
    if asked is None:
        return render_template("contacts/repeats.html", asked=None)
    figures = get_window_figures(db.session, asked.wanted, cut=asked.cut, zone=_zone())
    headline = next(f for f in figures if f.window == asked.window)
    has_themes = headline.can_tell(Basis.SAME)
    trend = _trend(asked)
    k = current_settings().privacy_k
    return render_template(
        "contacts/repeats.html",
        asked=asked,
        figures=figures,
        headline=headline,
        trend=trend,
        chart=_chart(trend, has_themes),
        day_rows=[_day_cells(day, k, has_themes) for day in trend.days],
        rules=_rules(asked.window),
        rate_words=rate_words,
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
    first, last = default_period(first_day, cut, window, _zone())
    first = read_day(args.get("from", ""), "From", problems) or first
    last = min(read_day(args.get("to", ""), "To", problems) or last, cut)
    if first > last:
        problems.append("“From” lies after “To” or after the last day with data: nothing fits.")
        first = last
    names = ("window", "by", "from", "to", *_PARTS)
    values = {name: args[name][:200] for name in names if args.get(name)}
    theme = values.get("theme", "")
    wanted = RepeatFilter(
        first_day=max(first, first_day),
        last_day=max(last, first_day),
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


def _groups(asked: Asked) -> list[GroupFigures]:
    return list_group_figures(
        db.session,
        asked.wanted,
        group=asked.group,
        window=asked.window,
        cut=asked.cut,
        zone=_zone(),
    )


def _trend(asked: Asked) -> Trend:
    return get_trend(
        db.session,
        asked.wanted,
        window=asked.window,
        cut=asked.cut,
        first_data_day=asked.first_data_day,
        smallest=current_settings().privacy_k,
        zone=_zone(),
    )


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
        "channel": pairs("channel", options.channels),
        "queue": pairs("queue", options.queues),
        "disposition": pairs("disposition", options.dispositions),
        "team": pairs("team", options.teams),
        "language": pairs("language", options.languages),
        "theme": [("", "All"), (NO_THEME, "No theme"), *themes],
    }


def few(count: int, k: int) -> bool:
    """Return whether a count above nothing is too small to be shown."""
    return 0 < count < k


def rate_words(part: int, whole: int, k: int) -> str:
    """Write part / whole, or that it is below what may be shown, or a dash without any."""
    if whole == 0:
        return "–"
    if few(whole, k):
        return f"fewer than {k}"
    if few(part, k):
        return f"under {pct(k / whole)}"
    return pct(part / whole)


bp.add_app_template_filter(few, "is_few")


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
    if few(figures.contacts, k):
        return [*([None] * 7), f"fewer than {k}", *([""] * 4)]
    parts = [*_parts(figures, "repeats"), *_parts(figures, "resolved")]
    known = None if few(figures.identified, k) else figures.identified
    without = figures.unidentified_share
    return [
        *(figures.contacts, known, None if without is None else round(without, 6)),
        *(rate_number(part, whole, k) for part, whole in parts),
        "",
        *(rate_words(part, whole, k) for part, whole in parts),
    ]


def _parts(figures: Figures, name: str) -> list[tuple[int, int]]:
    """Return part and whole of both bases; nothing of nothing where the basis says nothing."""
    found = []
    for basis in Basis:
        of = figures.of(basis)
        whole = figures.identified if name == "repeats" else of.opening
        found.append((getattr(of, name), whole if figures.can_tell(basis) else 0))
    return found


def rate_number(part: int, whole: int, k: int) -> float | None:
    """Return part / whole between 0 and 1, None where it may not be shown or there is none."""
    if whole == 0 or few(whole, k) or few(part, k):
        return None
    return round(part / whole, 6)


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
    found = get_window_figures(db.session, asked.wanted, cut=asked.cut, zone=_zone())
    first = asked.wanted.first_day
    rows = [[f.window.label, first, f.last_day, *_row(f, k)] for f in found]
    return ("Window", "First day", "Last mature day", *_HEADINGS), rows


def _day_table(asked: Asked) -> tuple[tuple[str, ...], list[list[Any]]]:
    k = current_settings().privacy_k
    days = _trend(asked).days
    has_themes = any(day.same for day in days)
    headings = (
        *("Day", "Contacts", "With known customer", "Any reason, day", "Same theme, day"),
        *("Any reason, 7 days", "Same theme, 7 days"),
    )
    rows = [
        [
            *(d.day, *(None if few(n, k) else n for n in (d.contacts, d.identified))),
            *(None if rate is None else round(rate, 6) for rate in _rates(d, has_themes)),
        ]
        for d in days
    ]
    return headings, rows


def _rates(day: Day, has_themes: bool) -> tuple[float | None, ...]:
    same = (day.same, day.same7) if has_themes else (None, None)
    return (day.any, same[0], day.any7, same[1])


def _day_cells(day: Day, k: int, has_themes: bool) -> list[Any]:
    rates = (pct(rate) for rate in _rates(day, has_themes))
    return [day_words(day.day), _shown(day.identified, k), *rates]


def _shown(count: int, k: int) -> Any:
    return f"fewer than {k}" if few(count, k) else count
