"""Which actions an address asks for, and links that change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

from flask import request, url_for
from flask_login import current_user

from closedloop.domain.actions import OPEN_ACTIONS, SHIPPED_ACTIONS, ActionStatus
from closedloop.domain.clock import today
from closedloop.extensions import current_settings, db
from closedloop.queries.accounts import list_departments
from closedloop.queries.actions import ActionFilter, ActionRow, cursor_of, list_owners
from closedloop.web.asked import short_number, write_day_cursor

_VIEWS = {
    "open": OPEN_ACTIONS,
    "shipped": SHIPPED_ACTIONS,
    "cancelled": (ActionStatus.CANCELLED,),
}
_ASKED = ("view", "show", "department", "owner", "mine", "overdue")


@dataclass(frozen=True)
class Asked:
    """The filter of the address, and its values as they stood there."""

    wanted: ActionFilter
    values: dict[str, Any]

    @property
    def is_list(self) -> bool:
        """Whether the list is wanted instead of the board."""
        return self.values.get("view") == "list"

    @property
    def is_narrowed(self) -> bool:
        """Whether anything is filtered out."""
        return bool(set(self.values) - {"view"})


def read_filter() -> Asked:
    """Read the filter of the address; what makes no sense is left out."""
    values = {name: request.args[name] for name in _ASKED if request.args.get(name)}
    owner = short_number(values.get("owner", ""))
    wanted = ActionFilter(
        department_id=short_number(values.get("department", "")),
        owner_id=current_user.id if values.get("mine") else owner,
        overdue_on=this_day() if values.get("overdue") else None,
        statuses=_VIEWS.get(values.get("show", ""), ()),
    )
    return Asked(wanted, values)


def more_url(asked: Asked, last: ActionRow) -> str:
    """Return the address of what comes after a row."""
    after = write_day_cursor(*cursor_of(last))
    return url_for("actions.index", **asked.values, after=after)


def linker(asked: Asked) -> Callable[..., str]:
    """Return a function that links to this page with some values changed; None takes one out."""

    def link(endpoint: str = "actions.index", **changes: Any) -> str:
        values = {**asked.values, **changes}
        return url_for(endpoint, **{name: value for name, value in values.items() if value})

    return link


def filter_choices() -> dict[str, list[tuple[str, str]]]:
    """Return pairs (value, words) of each select."""
    return {
        "departments": [("", "All"), *((str(d.id), d.name) for d in list_departments(db.session))],
        "owners": [("", "All"), *((str(i), name) for i, name in list_owners(db.session))],
        "show": [
            ("", "All"),
            ("open", "Open"),
            ("shipped", "Shipped and measured"),
            ("cancelled", "Cancelled"),
        ],
    }


def action_cells(row: ActionRow) -> list[Any]:
    """Return a row of the CSV file."""
    return [
        row.key,
        row.title,
        row.status.replace("_", " "),
        row.theme_key,
        row.theme_name,
        row.strategy.label,
        row.department_name,
        row.owner_name,
        row.due_on,
        row.is_overdue(this_day()),
        row.expected_drop,
        row.went_live_on,
        row.verdict.label if row.verdict else "",
        None if row.avoided_low is None else round(row.avoided_low),
        None if row.avoided_high is None else round(row.avoided_high),
        row.hand_back_reason,
    ]


def this_day() -> date:
    """Return the reporting day that is running."""
    return today(current_settings().reporting_zone)
