"""Roles, and what each may do: the one permission table."""

from __future__ import annotations

from enum import StrEnum

SESSION_DAYS = 14
SIGN_IN_TRIES = 5
SIGN_IN_PAUSE_SECONDS = 15 * 60
PASSWORD_MIN_LENGTH = 10


class Role(StrEnum):
    """What a user is here for."""

    ADMIN = "admin"
    CX_MANAGER = "cx_manager"
    STAKEHOLDER = "stakeholder"
    EXECUTIVE = "executive"

    @property
    def label(self) -> str:
        """The role as people say it."""
        return {
            Role.ADMIN: "Administrator",
            Role.CX_MANAGER: "CX manager",
            Role.STAKEHOLDER: "Department stakeholder",
            Role.EXECUTIVE: "Executive",
        }[self]


_EVERYONE = frozenset(Role)
_MANAGERS = frozenset({Role.ADMIN, Role.CX_MANAGER})
_WORKERS = _MANAGERS | {Role.STAKEHOLDER}

PERMISSIONS: dict[str, frozenset[Role]] = {
    "home.view": _EVERYONE,
    "contacts.view": _WORKERS,
    "contacts.import": _MANAGERS,
    "contacts.link": _MANAGERS,
    "metrics.view": _EVERYONE,
    "metrics.manage": _MANAGERS,
    "themes.view": _EVERYONE,
    "themes.curate": _MANAGERS,
    "themes.discover": _MANAGERS,
    "triage.view": _WORKERS,
    "triage.decide": _MANAGERS,
    "actions.view": _EVERYONE,
    "actions.create": _MANAGERS,
    "actions.work": _WORKERS,
    "impact.view": _EVERYONE,
    "impact.measure": _MANAGERS,
    "impact.review": _MANAGERS,
    "impact.sign_off": _EVERYONE,
    "reports.view": _EVERYONE,
    "accounts.self": _EVERYONE,
    "jobs.view": _MANAGERS,
    "jobs.control": _MANAGERS,
    "admin.view": frozenset({Role.ADMIN}),
    "admin.manage": frozenset({Role.ADMIN}),
}


def may(role: Role, permission: str) -> bool:
    """Return whether a role includes a permission; an unknown permission is a KeyError."""
    return role in PERMISSIONS[permission]
