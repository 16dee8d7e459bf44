"""What the address of a page of metrics asks for, in terms of the data there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import url_for

from closedloop.domain.contacts import HEADLINE_WINDOW, WINDOWS, Window, window_for
from closedloop.domain.metric_contacts import contacts_address
from closedloop.domain.metrics import Metric
from closedloop.extensions import current_settings, db
from closedloop.queries.contacts import NO_THEME, NOT_SAID, FilterOptions
from closedloop.queries.figures import DIMENSIONS
from closedloop.queries.metric_sums import MetricFilter
from closedloop.queries.metric_terms import Terms, get_terms
from closedloop.queries.metric_trend import Step
from closedloop.queries.metrics import PERIOD_DAYS, Ground, Reading, default_days
from closedloop.queries.site import DataSpan
from closedloop.web.contacts_asked import driver_choices, named_channels, named_languages
from closedloop.web.contacts_bp import after_period, before_data, read_day
from closedloop.web.permissions import user_may

BY = {
    "channel": "Channel",
    "queue": "Queue",
    "disposition": "Wrap-up code",
    "theme": "Theme",
    "team": "Team",
    "language": "Language",
}
STEP_DAYS = {"week": 91, "month": 365}
"""How long the period is when only weeks or months are asked for."""

_FILTERS = (*DIMENSIONS, "contact_driver")
_NAMES = ("window", "from", "to", "step", "by", "driver", *_FILTERS)


@dataclass(frozen=True)
class Asked:
    """What is wanted, from what ground.

    Attributes
    ----------
    values : dict of str to str
        As the address gave them, so that links can change one and keep the rest.
    problems : list of str
        A sentence for each part of the address that made no sense.
    """

    wanted: MetricFilter
    ground: Ground
    step: Step
    by: str
    values: dict[str, str]
    problems: list[str]

    @property
    def parts(self) -> dict[str, str]:
        """The filters, as addresses have them."""
        return {name: self.values[name] for name in _FILTERS if name in self.values}

    def page_url(self, endpoint: str = "", key: str = "", **more: str) -> str:
        """Return a page of metrics with something changed; an empty value takes a filter away."""
        values: dict[str, Any] = {k: v for k, v in {**self.values, **more}.items() if v}
        if key:
            return url_for(endpoint or "metrics.show", key=key, **values)
        return url_for(endpoint or "metrics.index", **values)

    def contacts_url(self, reading: Reading, shows: str, **here: str) -> str:
        """Return the list of the contacts that are counted; empty where it cannot show them.

        Parameters
        ----------
        shows : str
            `Metric.above`, `below`, `stands_on` or `all_contacts`.
        here : str
            Filters of a group.
        """
        if not shows or reading.days < 1 or not user_may("contacts.view"):
            return ""
        more = contacts_address(shows, reading.window, volume=self.wanted.driver)
        period = {"from": reading.first_day.isoformat(), "to": reading.last_day.isoformat()}
        values: dict[str, Any] = {**self.parts, **here, **period, **more}
        return url_for("contacts.index", **values)


def read_asked(args: Mapping[str, str], span: DataSpan, metric: Metric | None) -> Asked | None:
    """Read an address; None when there is no complete day with contacts yet."""
    settings = current_settings()
    days = span.whole_days(settings.reporting_zone)
    if days is None:
        return None
    terms = get_terms(db.session, settings.pence_per_minute)
    ground = Ground(*days, settings.privacy_k, terms, settings.reporting_zone)
    problems: list[str] = []
    window = _window(args.get("window", ""))
    values = {name: args[name].strip()[:200] for name in _NAMES if args.get(name, "").strip()}
    first, last = _period(values, ground, metric.window(window) if metric else window, problems)
    wanted = MetricFilter(
        first_day=first,
        last_day=last,
        window=window,
        values=_filters(values, problems),
        driver=_driver(values.get("driver", ""), terms),
        contact_driver_id=_contact_driver(values.get("contact_driver", ""), problems),
    )
    step, by = values.get("step", ""), values.get("by", "")
    return Asked(
        wanted,
        ground,
        Step(step) if step in set(Step) else Step.DAY,
        by if by in BY else "channel",
        values,
        problems,
    )


def _window(key: str) -> Window:
    return window_for(key) if key in {w.key for w in WINDOWS} else HEADLINE_WINDOW


def _period(
    values: Mapping[str, str], ground: Ground, window: Window, problems: list[str]
) -> tuple[date, date]:
    asked_first = read_day(values.get("from", ""), "From", problems)
    asked_last = read_day(values.get("to", ""), "To", problems)
    days = STEP_DAYS.get(values.get("step", ""), PERIOD_DAYS)
    first, last = default_days(ground, window, days, asked_last)
    first = asked_first or first
    if asked_last and asked_last < ground.first_data_day:
        problems.append(before_data(ground.first_data_day))
    if first > last:
        problems.append(after_period(last))
        first = last
    return max(first, ground.first_data_day), last


def _filters(values: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in DIMENSIONS:
        value = values.get(name)
        if value is None:
            continue
        if name != "theme":
            found[name] = "" if value == NOT_SAID else value
        elif value == NO_THEME:
            found[name] = ""
        elif value.isascii() and value.isdigit() and len(value) < 10:
            found[name] = str(int(value))
        else:
            problems.append("The theme of the address was not understood and left out.")
    return found


def _contact_driver(value: str, problems: list[str]) -> int | None:
    if value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    if value:
        problems.append("The contact driver of the address was not understood and left out.")
    return None


def _driver(asked: str, terms: Terms) -> str:
    if asked in terms.drivers:
        return asked
    return terms.drivers[0] if terms.drivers else ""


def choices_of(asked: Asked, options: FilterOptions) -> dict[str, list[tuple[str, str]]]:
    """Return pairs (value, words) of each select, with what the address asks for among them."""
    known = {
        "channel": options.channels,
        "queue": options.queues,
        "disposition": options.dispositions,
        "team": options.teams,
        "language": options.languages,
    }
    found = {name: _pairs(values, asked.values.get(name)) for name, values in known.items()}
    found["channel"] = named_channels(found["channel"])
    found["language"] = named_languages(found["language"])
    themes = [(str(theme.id), f"{theme.key} {theme.name}") for theme in options.themes]
    chosen = asked.wanted.values.get("theme")
    if chosen and chosen not in dict(themes):
        themes.append((chosen, f"theme number {chosen}"))
    found["theme"] = [("", "All"), (NO_THEME, "No theme"), *themes]
    found["contact_driver"] = driver_choices(options, asked.wanted.contact_driver_id)
    found["driver"] = [(name, name) for name in asked.ground.terms.drivers]
    return found


def _pairs(values: list[str], chosen: str | None) -> list[tuple[str, str]]:
    keys = [value or NOT_SAID for value in values]
    keys += [chosen] if chosen and chosen not in keys else []
    return [("", "All"), *((key, "none given" if key == NOT_SAID else key) for key in keys)]


def filter_value(by: str, value: str) -> str:
    """Return the value of a group as addresses have it."""
    return value or (NO_THEME if by == "theme" else NOT_SAID)
