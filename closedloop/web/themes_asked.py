"""What the list of themes is asked for: read from the address, and written into others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from flask import request, url_for

from closedloop.domain.themes import DemandType, Quadrant, ThemeStatus
from closedloop.queries.themes import ThemeFilter, ThemeSort, ThemeView
from closedloop.web.asked import row_id

Choice = TypeVar("Choice", bound=StrEnum)
FIRST_ASCENDING = frozenset({ThemeSort.NAME})


def _choice(kind: type[Choice], name: str) -> Choice | None:
    value = request.args.get(name, "")
    return kind(value) if value in set(kind) else None


def read_filter() -> ThemeFilter:
    """Read the filters from the address; what is not understood is left out."""
    sort = _choice(ThemeSort, "sort") or ThemeSort.CONTACTS
    order = request.args.get("order", "")
    view = _choice(ThemeView, "view")
    q = request.args.get("q", "").strip()[:100]
    return ThemeFilter(
        view=view or (ThemeView.ALL if q else ThemeView.OPEN),
        q=q,
        department_id=request.args.get("department", type=row_id),
        owner_id=request.args.get("owner", type=row_id),
        driver_id=request.args.get("driver", type=row_id),
        demand_type=_choice(DemandType, "demand"),
        quadrant=_choice(Quadrant, "quadrant"),
        status=_choice(ThemeStatus, "status"),
        sort=sort,
        descending=order == "down" or (order != "up" and sort not in FIRST_ASCENDING),
        next_key=request.args.get("next", "")[:20],
        by_driver=request.args.get("group") == "driver",
        after=request.args.get("after", "")[:20],
    )


def statuses_of(view: ThemeView) -> Sequence[ThemeStatus]:
    """Return what a view can be narrowed to: nothing where it holds one status."""
    return view.statuses if len(view.statuses) > 1 else ()


def _arguments(wanted: ThemeFilter) -> dict[str, Any]:
    """Return the filters as they stand in the address, short ones left out."""
    values = {
        "view": wanted.view.value,
        "q": wanted.q or None,
        "department": wanted.department_id,
        "owner": wanted.owner_id,
        "driver": wanted.driver_id,
        "demand": wanted.demand_type,
        "quadrant": wanted.quadrant,
        "status": wanted.status,
        "next": wanted.next_key or None,
        "group": "driver" if wanted.by_driver else None,
        "sort": None if wanted.sort is ThemeSort.CONTACTS else wanted.sort.value,
        "order": None if wanted.descending is (wanted.sort not in FIRST_ASCENDING) else "down",
    }
    if not wanted.descending and wanted.sort not in FIRST_ASCENDING:
        values["order"] = "up"
    return {name: value for name, value in values.items() if value is not None}


def linker(wanted: ThemeFilter) -> Callable[..., str]:
    """Return a function that gives the address of this list with some filters changed."""

    def link(endpoint: str = "themes.index", **changes: Any) -> str:
        values = {**_arguments(wanted), **changes}
        return url_for(endpoint, **{k: v for k, v in values.items() if v is not None})

    return link


def heading_maker(wanted: ThemeFilter) -> Callable[..., dict[str, Any]]:
    """Return a function that makes the heading of a column by which the list can be sorted."""

    def heading(text: str, sort: str, **more: Any) -> dict[str, Any]:
        here = wanted.sort.value == sort
        down = (not wanted.descending) if here else ThemeSort(sort) not in FIRST_ASCENDING
        asked = replace(wanted, sort=ThemeSort(sort), descending=down)
        shown = ("descending" if wanted.descending else "ascending") if here else ""
        return {"text": text, "url": linker(asked)(), "sort": shown, **more}

    return heading
