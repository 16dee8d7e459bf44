"""What an action needs before it is saved, and before it is agreed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from closedloop.domain.actions import TITLE_LENGTH, drop_problems, due_problem, may_own
from closedloop.domain.errors import Invalid
from closedloop.domain.payback import cost_problems
from closedloop.domain.themes import Strategy
from closedloop.models import Action, Department, User

DESCRIPTION_LENGTH = 5_000


@dataclass(frozen=True)
class Terms:
    """What people fill in about an action; costs in pence."""

    title: str
    description: str
    strategy: Strategy | str
    department_id: int
    owner_id: int | None
    due_on: date | None
    expected_drop: float
    smallest_drop: float
    cost_low: float | None = None
    cost_high: float | None = None


def check_terms(
    session: Session, given: Terms, *, today: date, kept_by: Action | None = None
) -> dict[str, Any]:
    """Return the columns of an action, or refuse with a sentence per field.

    The department, the owner and the due day that an action has already, `kept_by`, may stay what
    they are, also where nobody could choose them now: another answer is saved all the same.

    Parameters
    ----------
    today : date
        The reporting day that is running.

    Raises
    ------
    Invalid
        With a sentence per field.
    """
    title = " ".join(given.title.split())
    fields = drop_problems(given.expected_drop, given.smallest_drop)
    if not 0 < len(title) <= TITLE_LENGTH:
        fields["title"] = f"Say in at most {TITLE_LENGTH} characters what will be done."
    description = given.description.strip()
    if len(description) > DESCRIPTION_LENGTH:
        fields["description"] = f"Keep the description to {DESCRIPTION_LENGTH:,} characters."
    if given.strategy not in set(Strategy):
        fields["strategy"] = "Choose how the demand is handled: " + ", ".join(
            f"“{strategy.label}”" for strategy in Strategy
        )
    fields |= cost_problems(given.cost_low, given.cost_high)
    if kept_by is None or _people(kept_by) != _people(given):
        fields |= _people_problems(session, given)
    is_kept = kept_by is not None and kept_by.due_on == given.due_on
    if not is_kept and (problem := due_problem(given.due_on, today)):
        fields["due_on"] = problem
    if fields:
        raise Invalid("The action was not saved. " + " ".join(fields.values()), fields)
    return {
        "title": title,
        "description": description,
        "strategy": Strategy(given.strategy),
        "department_id": given.department_id,
        "owner_id": given.owner_id,
        "due_on": given.due_on,
        "expected_drop": given.expected_drop,
        "smallest_drop": given.smallest_drop,
        "cost_low": given.cost_low,
        "cost_high": given.cost_high,
    }


def _people(of: Action | Terms) -> tuple[int, int | None]:
    return of.department_id, of.owner_id


def _people_problems(session: Session, given: Terms) -> dict[str, str]:
    department = session.get(Department, given.department_id or 0)
    if department is None or not department.is_active:
        return {"department_id": "Choose a department that is still there."}
    if given.owner_id is None:
        return {}
    problem = _owner_problem(session, given.owner_id, department)
    return {"owner_id": problem} if problem else {}


def _owner_problem(session: Session, owner_id: int, department: Department) -> str:
    owner = session.get(User, owner_id)
    if owner is None or not owner.is_active:
        return "Choose an owner who still works here."
    fits = may_own(owner.role, user_department_id=owner.department_id, department_id=department.id)
    if not fits:
        return (
            f"{owner.name} does not belong to {department.name}. Choose somebody of that "
            "department, or a CX manager."
        )
    return ""


def check_complete(session: Session, action: Action) -> None:
    """Refuse to agree on what nobody is answerable for.

    Raises
    ------
    Invalid
        Without an owner who may own it, or without a due day.
    """
    fields = {}
    if action.owner_id is None:
        fields["owner_id"] = "Choose an owner: somebody has to be answerable for it."
    elif problem := _owner_problem(session, action.owner_id, action.department):
        fields["owner_id"] = problem
    if action.due_on is None:
        fields["due_on"] = "Set the day by which it is to be live."
    if fields:
        raise Invalid(f"{action.key} was not agreed. " + " ".join(fields.values()), fields)
