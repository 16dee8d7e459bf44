"""People: invite, sign in, sign out, revoke, change."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.orm import Session

from closedloop.domain.accounts import (
    PASSWORD_MIN_LENGTH,
    SESSION_DAYS,
    SIGN_IN_PAUSE_SECONDS,
    SIGN_IN_TRIES,
    Role,
)
from closedloop.domain.audit import NAMES_TAKEN, Actor, ActorKind
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import Conflict, Invalid, NotAllowed, TooManyAttempts
from closedloop.models import Department, SignIn, SignInAttempt, User
from closedloop.queries.accounts import (
    find_user_by_email,
    get_department,
    get_user,
    has_users,
    token_hash,
)
from closedloop.services.audit import record_event
from closedloop.services.tokens import revoke_tokens

_hasher = PasswordHasher()  # argon2id with the library's current parameters
_NOBODYS = (
    f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)
"""A hash that no password has: who is not known takes as long to be refused as who is."""
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
WRONG = "That e-mail address and password do not belong together."


def add_department(session: Session, *, name: str, by: Actor) -> Department:
    """Add a department, or return the one that has the name (in any case).

    Raises
    ------
    Invalid
        If the name is empty or longer than 80 characters.
    """
    name = _department_name(name)
    if existing := _find_department(session, name):
        return existing
    department = Department(name=name)
    session.add(department)
    session.flush()  # the event needs its id
    record_event(
        session,
        by=by,
        verb="accounts.department_added",
        target_kind="department",
        target_id=department.id,
        summary=f"added the department {name}",
    )
    return department


def _department_name(typed: str) -> str:
    name = " ".join(typed.split())
    if not 0 < len(name) <= 80:
        sentence = "Give the department a name of at most 80 characters."
        raise Invalid(sentence, {"name": sentence})
    return name


def _find_department(session: Session, name: str) -> Department | None:
    return session.scalar(
        sa.select(Department).where(sa.func.lower(Department.name) == name.lower())
    )


def rename_department(session: Session, *, department_id: int, name: str, by: Actor) -> Department:
    """Give a department another name; what it owns and who is in it stay.

    Raises
    ------
    NotFound
    Invalid
        If the name is empty or longer than 80 characters.
    Conflict
        If another department has the name (in any case).
    """
    department, name = get_department(session, department_id), _department_name(name)
    if (existing := _find_department(session, name)) and existing is not department:
        raise Conflict(f"There is a department {existing.name} already.")
    before = department.name
    if name == before:
        return department
    department.name = name
    record_event(
        session,
        by=by,
        verb="accounts.department_changed",
        target_kind="department",
        target_id=department_id,
        summary=f"renamed the department {before} to {name}",
        detail={"before": before, "name": name},
    )
    return department


def set_department_active(
    session: Session, *, department_id: int, is_active: bool, by: Actor
) -> Department:
    """Say whether a department can be chosen; what it owns stays its own either way.

    Raises
    ------
    NotFound
    """
    department = get_department(session, department_id)
    if department.is_active is is_active:
        return department
    department.is_active = is_active
    record_event(
        session,
        by=by,
        verb="accounts.department_changed",
        target_kind="department",
        target_id=department_id,
        summary=f"{'opened' if is_active else 'closed'} the department {department.name}",
        detail={"is_active": is_active},
    )
    return department


def _active_department(session: Session, department_id: int) -> Department:
    department = get_department(session, department_id)
    if not department.is_active:
        sentence = f"{department.name} is closed. Choose another department or open it again."
        raise Invalid(sentence, {"department_id": sentence})
    return department


def add_user(
    session: Session,
    *,
    email: str,
    name: str,
    password: str,
    role: Role,
    department_id: int | None,
    by: Actor,
) -> User:
    """Add somebody who can sign in.

    Raises
    ------
    Invalid
        With a sentence per field.
    Conflict
        If the address is taken.
    """
    email, name = email.strip().lower(), " ".join(name.split())
    fields = _person_problems(name, email)
    if role is Role.STAKEHOLDER and department_id is None:
        fields["department_id"] = "A stakeholder speaks for a department; choose one."
    if problem := _password_problem(password):
        fields["password"] = problem
    if fields:
        raise Invalid("The user was not added. " + " ".join(fields.values()), fields)
    if department_id is not None:
        _active_department(session, department_id)
    if find_user_by_email(session, email):
        raise Conflict(f"There is a user with the address {email} already.")
    user = User(
        email=email,
        name=name,
        password_hash=_hasher.hash(password),
        role=role,
        department_id=department_id,
    )
    session.add(user)
    session.flush()  # the event needs its id
    record_event(
        session,
        by=by,
        verb="accounts.user_added",
        target_kind="user",
        target_id=user.id,
        summary=f"added {name}: {role.label}",
    )
    return user


def _person_problems(name: str, email: str) -> dict[str, str]:
    """Return a sentence for each of the two that nobody can have."""
    fields = {}
    if not 0 < len(name) <= 120:
        fields["name"] = "Write the name as colleagues know it, in at most 120 characters."
    if name.casefold() in NAMES_TAKEN:
        fields["name"] = (
            f"“{name}” stands in the audit log for what nobody signed in has done. Write another "
            "name."
        )
    if not _EMAIL.fullmatch(email) or len(email) > 254:
        fields["email"] = "Write an e-mail address like priya@example.com."
    return fields


def rename_user(session: Session, *, user_id: int, name: str, email: str, by: Actor) -> User:
    """Give somebody another name, another address to sign in with, or both.

    Sessions go on, and what they did before stays under the name they had.

    Raises
    ------
    NotFound
    Invalid
        With a sentence per field.
    Conflict
        If somebody else has the address.
    """
    user = get_user(session, user_id)
    email, name = email.strip().lower(), " ".join(name.split())
    if fields := _person_problems(name, email):
        raise Invalid("Nothing was changed. " + " ".join(fields.values()), fields)
    if (other := find_user_by_email(session, email)) and other is not user:
        raise Conflict(f"There is a user with the address {email} already.")
    changes = [
        f"{words} {before} to {after}"
        for words, before, after in (
            ("renamed", user.name, name),
            (f"changed the address of {name} from", user.email, email),
        )
        if before != after
    ]
    if not changes:
        return user
    detail = {"before": [user.name, user.email], "name": name, "email": email}
    user.name, user.email = name, email
    record_event(
        session,
        by=by,
        verb="accounts.user_changed",
        target_kind="user",
        target_id=user_id,
        summary=", ".join(changes),
        detail=detail,
    )
    return user


def add_first_admin(session: Session, *, email: str, name: str, password: str) -> User:
    """Add the administrator of a fresh site.

    Raises
    ------
    NotAllowed
        If the site has users: from then on an administrator adds them.
    """
    if has_users(session):
        raise NotAllowed("This site is set up. Ask an administrator to add you.")
    by = Actor(name or "First run", ActorKind.PERSON)
    return add_user(
        session,
        email=email,
        name=name,
        password=password,
        role=Role.ADMIN,
        department_id=None,
        by=by,
    )


def _password_problem(password: str) -> str:
    if len(password) < PASSWORD_MIN_LENGTH:
        return f"Choose a password of at least {PASSWORD_MIN_LENGTH} characters."
    if len(password) > 200:
        return "Choose a password of at most 200 characters."
    return ""


def _attempt_key(kind: str, value: str) -> str:
    return hashlib.sha256(f"{kind}:{value.strip().lower()}".encode()).hexdigest()


def sign_in(
    session: Session, *, email: str, password: str, address: str, browser: str = ""
) -> str | None:
    """Open a session and return its token, None when the password is wrong.

    A wrong try is kept for throttling, so the caller commits in both cases.

    Raises
    ------
    TooManyAttempts
        After five wrong tries for one address or from one client within 15 minutes.
    """
    keys = [_attempt_key("email", email), _attempt_key("client", address)]
    _take_turn(session, keys[0])
    since = utc_now() - timedelta(seconds=SIGN_IN_PAUSE_SECONDS)
    counts = session.scalars(
        sa.select(sa.func.count())
        .where(SignInAttempt.key.in_(keys), SignInAttempt.at > since)
        .group_by(SignInAttempt.key)
    ).all()
    # many people may share one client address behind a proxy: it gets five times the tries
    per_key = session.scalar(
        sa.select(sa.func.count()).where(SignInAttempt.key == keys[0], SignInAttempt.at > since)
    )
    if (per_key or 0) >= SIGN_IN_TRIES or max(counts, default=0) >= 5 * SIGN_IN_TRIES:
        raise TooManyAttempts("Too many wrong passwords. Try again in 15 minutes.")

    user = find_user_by_email(session, email)
    hashed = user.password_hash if user else _NOBODYS
    if not _password_fits(hashed, password) or user is None or not user.is_active:
        session.add_all([SignInAttempt(key=key) for key in keys])
        return None
    if _hasher.check_needs_rehash(user.password_hash):
        user.password_hash = _hasher.hash(password)
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.key == keys[0]))
    return open_session(session, user=user, browser=browser)


def _take_turn(session: Session, key: str) -> None:
    """Let tries for one address wait for each other: all at once they would not be counted."""
    if session.get_bind().dialect.name == "postgresql":
        number = int.from_bytes(bytes.fromhex(key[:16]), signed=True)
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def open_session(session: Session, *, user: User, browser: str = "") -> str:
    """Open a session for somebody whose identity is proven, and return its token."""
    token = secrets.token_urlsafe(32)
    session.add(
        SignIn(
            id=token_hash(token),
            user_id=user.id,
            expires_at=utc_now() + timedelta(days=SESSION_DAYS),
            browser=browser[:200],
        )
    )
    record_event(
        session,
        by=Actor(user.name, ActorKind.PERSON, user.id),
        verb="accounts.signed_in",
        target_kind="user",
        target_id=user.id,
        summary="signed in",
    )
    return token


def _password_fits(hashed: str, password: str) -> bool:
    try:
        return _hasher.verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False


def sign_out(session: Session, *, token: str, by: Actor) -> None:
    """Revoke one session; doing it twice changes nothing."""
    _revoke(session, SignIn.id == token_hash(token))
    record_event(
        session,
        by=by,
        verb="accounts.signed_out",
        target_kind="user",
        target_id=by.user_id,
        summary="signed out",
    )


def revoke_sessions(session: Session, *, user_id: int, by: Actor, keep: str | None = None) -> int:
    """Sign a user out everywhere, but for the session with the token `keep`; return how many."""
    user = get_user(session, user_id)
    condition = SignIn.user_id == user_id
    if keep:
        condition &= SignIn.id != token_hash(keep)
    revoked = _revoke(session, condition)
    record_event(
        session,
        by=by,
        verb="accounts.sessions_revoked",
        target_kind="user",
        target_id=user_id,
        summary=f"signed {user.name} out of {revoked} sessions",
    )
    return revoked


def revoke_session(session: Session, *, user_id: int, session_id: str, by: Actor) -> bool:
    """End one session of a user by its row's id; return whether there was one to end."""
    ended = _revoke(session, sa.and_(SignIn.id == session_id, SignIn.user_id == user_id))
    if ended:
        record_event(
            session,
            by=by,
            verb="accounts.sessions_revoked",
            target_kind="user",
            target_id=user_id,
            summary="ended one session",
        )
    return bool(ended)


def _revoke(session: Session, condition: sa.ColumnElement[bool]) -> int:
    rows = session.execute(
        sa.update(SignIn)
        .where(condition, SignIn.revoked_at.is_(None))
        .values(revoked_at=utc_now())
        .returning(SignIn.id)
    ).all()
    return len(rows)


def change_password(
    session: Session,
    *,
    user_id: int,
    current: str,
    new: str,
    token: str,
    by: Actor,
    ends_tokens: bool = False,
) -> None:
    """Change one's own password; every other session is signed out, and tokens end if asked.

    Raises
    ------
    Invalid
        If the current password is wrong or the new one too short.
    """
    user = get_user(session, user_id)
    if not _password_fits(user.password_hash, current):
        sentence = "The current password is not right."
        raise Invalid(sentence, {"current": sentence})
    if problem := _password_problem(new):
        raise Invalid(problem, {"new": problem})
    user.password_hash = _hasher.hash(new)
    revoke_sessions(session, user_id=user_id, by=by, keep=token)
    if ends_tokens:
        revoke_tokens(session, user_id=user_id, by=by)
    record_event(
        session,
        by=by,
        verb="accounts.password_changed",
        target_kind="user",
        target_id=user_id,
        summary="changed their password",
    )


def set_password(
    session: Session, *, user_id: int, password: str, by: Actor, ends_tokens: bool = False
) -> None:
    """Give somebody a new password; all their sessions are signed out, and tokens end if asked.

    Raises
    ------
    Invalid
    """
    if problem := _password_problem(password):
        raise Invalid(problem, {"password": problem})
    user = get_user(session, user_id)
    user.password_hash = _hasher.hash(password)
    revoke_sessions(session, user_id=user_id, by=by)
    if ends_tokens:
        revoke_tokens(session, user_id=user_id, by=by)
    record_event(
        session,
        by=by,
        verb="accounts.password_set",
        target_kind="user",
        target_id=user_id,
        summary=f"set a new password for {user.name}",
    )


def change_user(
    session: Session,
    *,
    user_id: int,
    role: Role,
    department_id: int | None,
    is_active: bool,
    by: Actor,
) -> User:
    """Change somebody's role, department, or whether they may sign in.

    Raises
    ------
    Invalid
        If it would leave the site without an administrator, or a stakeholder without department.
    """
    user = get_user(session, user_id)
    if role is Role.STAKEHOLDER and department_id is None:
        sentence = "A stakeholder speaks for a department; choose one."
        raise Invalid(sentence, {"department_id": sentence})
    loses_admin = user.role is Role.ADMIN and (role is not Role.ADMIN or not is_active)
    if loses_admin and not _other_admin(session, user_id):
        raise Invalid(
            f"{user.name} is the only administrator. Make somebody else one first.",
            {"role": "The site needs an administrator."},
        )
    if department_id is not None and department_id != user.department_id:
        _active_department(session, department_id)
    user.role, user.department_id, user.is_active = role, department_id, is_active
    if not is_active:  # what opened doors before opens none when the account is opened again
        revoke_sessions(session, user_id=user_id, by=by)
        revoke_tokens(session, user_id=user_id, by=by)
    record_event(
        session,
        by=by,
        verb="accounts.user_changed",
        target_kind="user",
        target_id=user_id,
        summary=f"changed {user.name}: {role.label}, {'active' if is_active else 'not active'}",
        detail={"role": role, "department_id": department_id, "is_active": is_active},
    )
    return user


def _other_admin(session: Session, user_id: int) -> bool:
    """Return whether another administrator stays; all are locked, so that two cannot both go."""
    admins = session.scalars(
        sa.select(User.id)
        .where(User.role == Role.ADMIN, User.is_active)
        .order_by(User.id)
        .with_for_update()
    ).all()
    return any(admin != user_id for admin in admins)


def note_look_at_home(session: Session, *, user_id: int) -> None:
    """Remember that home was opened: "what changed" counts from here next time."""
    get_user(session, user_id).last_looked_at = utc_now()
