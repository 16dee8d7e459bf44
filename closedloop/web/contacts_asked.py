"""What the address of the list of contacts asks for, and what there is to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from closedloop.adapters.language_names import language_name
from closedloop.domain.contacts import WINDOWS, Basis
from closedloop.extensions import current_settings, db
from closedloop.queries.contact_among import Among, Part
from closedloop.queries.contact_filter import FOLLOW_KINDS
from closedloop.queries.contact_marks import MARKS, Mark
from closedloop.queries.contacts import (
    NO_THEME,
    NOT_SAID,
    ContactFilter,
    FilterOptions,
    Follow,
    find_among,
    find_follow,
    find_mark,
)
from closedloop.web.contacts_bp import read_day
from closedloop.web.filters import channel_words

REPEATS = "repeats"
_ASKED = (
    *("q", "from", "to", "channel", "queue", "disposition", "team", "language", "theme"),
    *("contact_driver", "chain", "has", "among", "volume", "who", "of", "batch"),
)
_GROUPS = {
    "followed": "Followed by another",
    "unfollowed": "Not followed by another",
    "again": "Came after another",
    "opens": "Opened a matter",
    "resolved": "Opened a matter and closed it",
}


@dataclass(frozen=True)
class Asked:
    """The filter of the address, and what of it could not be understood."""

    wanted: ContactFilter
    problems: list[str]
    values: dict[str, Any]


def read_filter(args: Mapping[str, str]) -> Asked:
    """Read the filter of an address; what makes no sense is left out and said."""
    problems: list[str] = []
    values: dict[str, Any] = {
        name: args[name].strip()[:200] for name in _ASKED if args.get(name, "").strip()
    }
    first = read_day(values.get("from", ""), "From", problems)
    last = read_day(values.get("to", ""), "To", problems)
    if first and last and first > last:
        problems.append("“From” is after “To”, so no contact can fit. Swap them.")
    theme, chain = values.get("theme", ""), values.get("chain", "")
    wanted = ContactFilter(
        words=values.get("q", ""),
        first_day=first,
        last_day=last,
        channel=values.get("channel"),
        queue=values.get("queue"),
        disposition=values.get("disposition"),
        team=values.get("team"),
        language=values.get("language"),
        theme_id=_theme(values, problems),
        without_theme=theme == NO_THEME,
        contact_driver_id=_number(values.get("contact_driver", "")),
        repeats_only=chain == REPEATS,
        repeat_days=current_settings().repeat_window_days,
        follow=_follow(chain, problems),
        mark=_mark(values.get("has", ""), problems),
        among=_among(values, problems),
        identified={"known": True, "unknown": False}.get(values.get("who", "")),
        customer_id=_number(values.get("of", "")),
        batch_id=_number(values.get("batch", "")),
    )
    return Asked(wanted, problems, values)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _theme(values: dict[str, Any], problems: list[str]) -> int | None:
    text = values.get("theme", "")
    number = _number(text)
    if text and number is None and text != NO_THEME:
        problems.append(f"The theme “{values.pop('theme')[:20]}” was not understood and left out.")
    return number


def _follow(chain: str, problems: list[str]) -> Follow | None:
    follow = find_follow(chain)
    if chain and follow is None and chain != REPEATS:
        problems.append("The choice of repeats was not understood and left out.")
    return follow


def _mark(key: str, problems: list[str]) -> Mark | None:
    mark = find_mark(key)
    if key and mark is None:
        problems.append("The mark or answer asked for was not understood and left out.")
    return mark


def _among(values: Mapping[str, str], problems: list[str]) -> Among | None:
    key, volume = values.get("among", ""), values.get("volume", "")
    if key == Part.VOLUME and not volume:
        problems.append("Days with a driver volume need its name, so that choice was left out.")
        return None
    pence = current_settings().pence_per_minute
    among = find_among(db.session, key, volume=volume, default_pence=pence)
    if key and among is None:
        problems.append("The choice “Counted as” was not understood and left out.")
    return among


def choices_of(asked: Asked, options: FilterOptions) -> dict[str, list[tuple[str, str]]]:
    """Return pairs (value, words) of each select, with what the address asks for among them."""

    def values(name: str, found: list[str]) -> list[tuple[str, str]]:
        chosen = asked.values.get(name)
        keys = [value or NOT_SAID for value in found]
        keys += [chosen] if chosen and chosen not in keys else []
        return [("", "All"), *((key, "none given" if key == NOT_SAID else key) for key in keys)]

    themes = [(str(theme.id), f"{theme.key} {theme.name}") for theme in options.themes]
    chosen = asked.values.get("theme", "")
    if asked.wanted.theme_id and chosen not in dict(themes):
        themes.append((chosen, f"theme number {chosen}"))
    return {
        "channel": named_channels(values("channel", options.channels)),
        "queue": values("queue", options.queues),
        "disposition": values("disposition", options.dispositions),
        "team": values("team", options.teams),
        "language": named_languages(values("language", options.languages)),
        "theme": [("", "All"), (NO_THEME, "No theme"), *themes],
        "contact_driver": driver_choices(options, asked.wanted.contact_driver_id),
        "chain": [("", "All"), (REPEATS, "Repeats only")],
        "has": [("", "All"), *((mark.key, mark.words) for mark in MARKS)],
        "among": _among_choices(asked),
        "who": [("", "All"), ("known", "Known"), ("unknown", "Unidentified only")],
    }


def named_channels(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the choices of channels as people write them."""
    return [(key, channel_words(words) if key == words else words) for key, words in pairs]


def named_languages(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the choices of languages by name, as their codes are in the address only."""
    all_, *pairs = pairs
    named = [(key, words if key == NOT_SAID else language_name(key)) for key, words in pairs]
    return [all_, *sorted(named, key=lambda pair: (pair[0] != NOT_SAID, pair[1]))]


def driver_choices(options: FilterOptions, chosen: int | None) -> list[tuple[str, str]]:
    """Return pairs (id, words) of the contact drivers; only "All" where there are none."""
    found = [(str(one.id), f"{one.key} {one.name}") for one in options.contact_drivers]
    if chosen is not None and str(chosen) not in dict(found):
        found.append((str(chosen), f"contact driver number {chosen}"))
    return [("", "All"), *found]


def _among_choices(asked: Asked) -> list[tuple[str, str]]:
    parts = [part for part in Part if part is not Part.VOLUME]
    found = [("", "All"), *((part.value, part.words) for part in parts)]
    among = asked.wanted.among
    if among is not None and among.part is Part.VOLUME:
        found.append((Part.VOLUME.value, f"{Part.VOLUME.words}: {among.volume}"))
    return found


def chain_groups() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the choices of what came before and after: a heading and its pairs."""
    return [
        (
            _GROUPS[kind],
            [
                (follow.key, follow.words[:1].upper() + follow.words[1:])
                for basis in Basis
                for window in WINDOWS
                for follow in (Follow(kind, basis, window),)
            ],
        )
        for kind in FOLLOW_KINDS
    ]
