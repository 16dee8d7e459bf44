"""Where contacts stayed away or went: what a change touched, what stands beside it, channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from closedloop.domain.impact import Range, Verdict
from closedloop.domain.money_words import channel_name
from closedloop.queries.impact_page import FullMeasurement


@dataclass(frozen=True)
class Place:
    """Where contacts went or stayed away: a theme or a channel with its own range.

    `key` is that of a theme, empty for anything else; `role` says how it belongs to the change.
    """

    key: str
    name: str
    role: str
    observed: int
    expected: float
    avoided: Range
    verdict: str
    is_sum: bool = False


def list_places(full: FullMeasurement) -> list[Place]:
    """Return what the change touched, what stands beside it and the net, then the channels."""
    detail = full.detail
    touched = [_place(one, "touched by the change") for one in detail.get("parts") or ()]
    beside = [_place(one, "watched beside it") for one in detail.get("siblings") or ()]
    if touched:
        measured = full.measured
        touched.append(
            Place(
                *("", "What it touched, together", "the headline"),
                *(measured.observed, measured.expected, measured.avoided),
                *(measured.verdict.value, True),
            )
        )
    if beside and detail.get("net"):
        beside.append(_place({"name": "With what is beside it", **detail["net"]}, "net", True))
    channels = [
        _place({"name": channel_name(one["channel"] or None).capitalize(), **one}, "channel")
        for one in detail.get("channel_figures") or ()
    ]
    return [*touched, *beside, *channels]


def _place(one: dict[str, Any], role: str, is_sum: bool = False) -> Place:
    middle = one.get("avoided", (one["low"] + one["high"]) / 2)
    return Place(
        key=one.get("key", ""),
        name=one["name"],
        role=role,
        observed=one.get("observed", 0),
        expected=one.get("expected", 0.0),
        avoided=Range(one["low"], middle, one["high"]),
        verdict=one.get("verdict", Verdict.NO_CHANGE.value),
        is_sum=is_sum,
    )
