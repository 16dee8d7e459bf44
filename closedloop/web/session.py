"""Who is signed in: server-side sessions that can be revoked at any moment."""

from __future__ import annotations

from dataclasses import dataclass

import flask
from flask_login import UserMixin, current_user, login_user, logout_user

from closedloop.domain.accounts import Role
from closedloop.domain.audit import Actor, ActorKind
from closedloop.extensions import db, login_manager
from closedloop.queries.accounts import SignedIn, find_signed_in


@dataclass
class CurrentUser(UserMixin):  # type: ignore[misc]
    """The user of this request, as pages see them. `get_id` is the session's token."""

    token: str
    facts: SignedIn

    def get_id(self) -> str:
        """Return what the cookie carries."""
        return self.token

    @property
    def id(self) -> int:
        """Id of the user."""
        return self.facts.user_id

    @property
    def name(self) -> str:
        """As shown."""
        return self.facts.name

    @property
    def email(self) -> str:
        """Address they sign in with."""
        return self.facts.email

    @property
    def role(self) -> Role:
        """What they are here for."""
        return self.facts.role

    @property
    def role_name(self) -> str:
        """Role, and department where they have one."""
        parts = [self.facts.role.label, self.facts.department_name]
        return ", ".join(part for part in parts if part)

    @property
    def department_id(self) -> int | None:
        """Department they speak for."""
        return self.facts.department_id

    @property
    def initials(self) -> str:
        """Two letters for the picture."""
        words = self.facts.name.split() or ["?"]
        return (words[0][0] + (words[-1][0] if len(words) > 1 else "")).upper()


def init_sessions(app: flask.Flask) -> None:
    """Bind Flask-Login: the cookie holds a token whose hash is a row."""
    login_manager.init_app(app)
    login_manager.session_protection = None  # the row is the session; addresses change on phones

    @login_manager.user_loader  # type: ignore[untyped-decorator]
    def load(token: str) -> CurrentUser | None:
        facts = find_signed_in(db.session, token)
        return CurrentUser(token, facts) if facts else None


def begin_session(token: str) -> None:
    """Put a fresh session's token into the cookie; what the old cookie held is gone."""
    facts = find_signed_in(db.session, token)
    if facts is None:
        raise RuntimeError("A session was begun that is not in the database.")
    flask.session.clear()
    login_user(CurrentUser(token, facts))
    flask.session.permanent = True


def end_session() -> None:
    """Forget the cookie."""
    logout_user()
    flask.session.clear()


def current_actor() -> Actor:
    """Return whoever the changes of this request are put down to."""
    return Actor(current_user.name, ActorKind.PERSON, current_user.id)
