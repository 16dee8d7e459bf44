"""Pages of administrators: people, departments, the site, the audit log."""

from __future__ import annotations

import dataclasses
import platform
import shlex
from importlib.metadata import version
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, flash, render_template, request, url_for
from flask_login import current_user
from werkzeug import Response

from closedloop import __version__
from closedloop.config import Settings
from closedloop.domain.accounts import Role
from closedloop.domain.audit import ActorKind
from closedloop.domain.errors import Conflict, Invalid
from closedloop.extensions import current_settings, db
from closedloop.queries.accounts import get_user, list_departments, list_sessions
from closedloop.queries.admin import (
    Owned,
    get_data_facts,
    list_department_rows,
    list_owned,
    list_user_rows,
)
from closedloop.queries.audit import list_events, list_history
from closedloop.queries.site import get_data_span, get_pence_per_minute
from closedloop.queries.tokens import list_tokens
from closedloop.services.accounts import (
    add_department,
    add_user,
    change_user,
    rename_department,
    rename_user,
    revoke_sessions,
    set_department_active,
    set_password,
)
from closedloop.services.site import set_pence_per_minute
from closedloop.services.tokens import revoke_token
from closedloop.web.amounts import read_amount, write_amount
from closedloop.web.asked import row_id
from closedloop.web.browsers import browser_words
from closedloop.web.filters import plural
from closedloop.web.htmx import see_other
from closedloop.web.permissions import requires
from closedloop.web.session import current_actor

bp = Blueprint("admin", __name__, url_prefix="/admin")

Page = str | Response | tuple[str, int]
EVENT_ROWS = 50
SECRETS = frozenset({"secret_key", "customer_key", "customer_keys_before", "naming_key"})
ACTOR_WORDS = {
    ActorKind.PERSON: "people",
    ActorKind.JOB: "jobs",
    ActorKind.COMMAND: "the command line",
}


@bp.get("/", strict_slashes=False)
@requires("admin.view")
def index() -> str:
    """Show what there is to look after, and the settings in force."""
    settings = current_settings()
    return render_template(
        "admin/index.html",
        users=list_user_rows(db.session),
        departments=list_department_rows(db.session),
        pence=get_pence_per_minute(db.session, settings.pence_per_minute),
        facts=get_data_facts(db.session),
        span=get_data_span(db.session),
        settings=_settings_rows(settings),
        versions=_versions(),
    )


def _settings_rows(settings: Settings) -> list[dict[str, Any]]:
    """Return every setting that is no secret: its variable, value, meaning, whether it was set."""
    return [
        {
            "variable": f"CLOSEDLOOP_{field.name.upper()}",
            "value": _shown(settings, field.name),
            "meaning": field.metadata["meaning"],
            "is_set": getattr(settings, field.name) != field.default,
        }
        for field in dataclasses.fields(settings)
        if field.name not in SECRETS
    ]


def _shown(settings: Settings, name: str) -> str:
    if name == "database_url":
        return _database_words(settings)
    value = getattr(settings, name)
    if value is None or value == "":
        return "not set"
    if name == "naming_command":  # what follows the program may hold a key
        program, *more = shlex.split(value)
        return f"{program} …" if more else program
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _database_words(settings: Settings) -> str:
    """Say which database is used without user, password or options."""
    url = sa.make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {url.database}"
    return f"{url.get_backend_name()}, {url.database or ''} on {url.host or 'this machine'}"


def _versions() -> list[tuple[str, str]]:
    dialect = db.session.connection().dialect
    server = ".".join(str(part) for part in dialect.server_version_info or ())
    return [
        ("closedloop", __version__),
        ("Python", platform.python_version()),
        ("SQLite" if dialect.name == "sqlite" else "PostgreSQL", server or "unknown"),
        *((name, version(name)) for name in ("Flask", "SQLAlchemy", "numpy", "onnxruntime")),
    ]


@bp.get("/users")
@requires("admin.view")
def users() -> str:
    """List everybody who can sign in, or could."""
    return render_template("admin/users.html", users=list_user_rows(db.session))


@bp.get("/users/new")
@requires("admin.manage")
def new_user() -> str:
    """Show an empty form for somebody new."""
    return _new_user_page({"role": Role.CX_MANAGER.value}, {})


def _new_user_page(values: dict[str, str], errors: dict[str, str]) -> str:
    return render_template(
        "admin/new_user.html",
        values=values,
        errors=errors,
        roles=_role_options(),
        departments=_department_options(),
    )


@bp.post("/users/new")
@requires("admin.manage")
def create_user() -> Page:
    """Add somebody."""
    values = {name: request.form.get(name, "") for name in ("name", "email", "role")}
    values["department_id"] = request.form.get("department_id", "")
    try:
        with db.transaction() as session:
            user = add_user(
                session,
                email=values["email"],
                name=values["name"],
                password=request.form.get("password", ""),
                role=_read_role(),
                department_id=_read_department(),
                by=current_actor(),
            )
    except Invalid as refusal:
        fields = refusal.fields or {"name": refusal.sentence}
        return _new_user_page(values, fields), 422
    except Conflict as refusal:
        return _new_user_page(values, {"email": refusal.sentence}), 422
    flash(f"{user.name} can sign in now. Hand the password over in person.", "done")
    return see_other(url_for("admin.show_user", user_id=user.id))


@bp.get("/users/<int:user_id>")
@requires("admin.view")
def show_user(user_id: int) -> str:
    """Show one user: role, department, sessions, tokens, history."""
    return _user_page(user_id, {})


def _user_page(user_id: int, errors: dict[str, str], values: dict[str, Any] | None = None) -> str:
    user = get_user(db.session, user_id)
    stored = {
        "name": user.name,
        "email": user.email,
        "role": user.role.value,
        "department_id": user.department_id,
        "is_active": user.is_active,
    }
    return render_template(
        "admin/user.html",
        user=user,
        values=stored | (values or {}),
        errors=errors,
        roles=_role_options(),
        departments=_department_options(user.department_id),
        sessions=list_sessions(db.session, user_id),
        tokens=list_tokens(db.session, user_id),
        history=[
            {"at": event.at, "by": event.actor_name, "text": event.summary}
            for event in list_history(db.session, "user", user_id, limit=20)
        ],
        browser_words=browser_words,
        is_self=user_id == current_user.id,
        owned=list_owned(db.session, user_id),
    )


@bp.post("/users/<int:user_id>")
@requires("admin.manage")
def update_user(user_id: int) -> Page:
    """Change role, department, or whether somebody may sign in."""
    is_active = bool(request.form.get("is_active"))
    values = {
        "role": request.form.get("role", ""),
        "department_id": request.form.get("department_id", ""),
        "is_active": is_active,
    }
    try:
        with db.transaction() as session:
            user = change_user(
                session,
                user_id=user_id,
                role=_read_role(),
                department_id=_read_department(),
                is_active=is_active,
                by=current_actor(),
            )
    except Invalid as refusal:
        return _user_page(user_id, refusal.fields or {"role": refusal.sentence}, values), 422
    flash(f"{user.name} is changed; it counts from the next page they open.", "done")
    if not is_active and (owned := list_owned(db.session, user_id)):
        flash(f"{user.name} still owns {_owned_words(owned)}. Give them to somebody else.", "warn")
    return see_other(url_for("admin.show_user", user_id=user_id))


@bp.post("/users/<int:user_id>/name")
@requires("admin.manage")
def update_name(user_id: int) -> Page:
    """Change what somebody is called, or the address they sign in with."""
    values = {name: request.form.get(name, "") for name in ("name", "email")}
    try:
        with db.transaction() as session:
            user = rename_user(session, user_id=user_id, **values, by=current_actor())
    except Invalid as refusal:
        return _user_page(user_id, refusal.fields, values), 422
    except Conflict as refusal:
        return _user_page(user_id, {"email": refusal.sentence}, values), 422
    flash(f"Saved: {user.name}, who signs in as {user.email}.", "done")
    return see_other(url_for("admin.show_user", user_id=user_id))


def _owned_words(owned: list[Owned]) -> str:
    kinds = [one.kind for one in owned]
    counts = (("open action", kinds.count("action")), ("theme", kinds.count("theme")))
    return " and ".join(plural(count, noun) for noun, count in counts if count)


@bp.post("/users/<int:user_id>/password")
@requires("admin.manage")
def update_password(user_id: int) -> Page:
    """Give somebody a new password and end their sessions, and tokens if that is asked for."""
    ends_tokens = bool(request.form.get("ends_tokens"))
    try:
        with db.transaction() as session:
            set_password(
                session,
                user_id=user_id,
                password=request.form.get("password", ""),
                by=current_actor(),
                ends_tokens=ends_tokens,
            )
    except Invalid as refusal:
        return _user_page(user_id, refusal.fields), 422
    what = "session and API token" if ends_tokens else "session"
    flash(f"The password is set, and every {what} of this user is ended.", "done")
    return see_other(url_for("admin.show_user", user_id=user_id))


@bp.post("/users/<int:user_id>/sign-out")
@requires("admin.manage")
def sign_out_user(user_id: int) -> Response:
    """End every session of somebody."""
    with db.transaction() as session:
        ended = revoke_sessions(session, user_id=user_id, by=current_actor())
    flash("1 session is ended." if ended == 1 else f"{ended} sessions are ended.", "done")
    return see_other(url_for("admin.show_user", user_id=user_id))


@bp.post("/users/<int:user_id>/tokens/<int:token_id>/revoke")
@requires("admin.manage")
def revoke_user_token(user_id: int, token_id: int) -> Response:
    """Revoke an API token of somebody."""
    with db.transaction() as session:
        revoke_token(session, user_id=user_id, token_id=token_id, by=current_actor())
    flash("The token is revoked.", "done")
    return see_other(url_for("admin.show_user", user_id=user_id))


@bp.get("/departments")
@requires("admin.view")
def departments() -> str:
    """List departments."""
    return _departments_page("", {})


def _departments_page(name: str, errors: dict[str, str], renamed: int = 0) -> str:
    """Return the list; a refused name stands with the department `renamed`, 0 is a new one."""
    return render_template(
        "admin/departments.html",
        departments=list_department_rows(db.session),
        name=name,
        errors=errors,
        renamed=renamed,
    )


@bp.post("/departments")
@requires("admin.manage")
def create_department() -> Page:
    """Add a department."""
    name = request.form.get("name", "")
    try:
        with db.transaction() as session:
            department = add_department(session, name=name, by=current_actor())
    except Invalid as refusal:
        return _departments_page(name, refusal.fields), 422
    flash(f"{department.name} is on the list.", "done")
    return see_other(url_for("admin.departments"))


@bp.post("/departments/<int:department_id>/name")
@requires("admin.manage")
def update_department_name(department_id: int) -> Page:
    """Give a department another name."""
    name = request.form.get("name", "")
    try:
        with db.transaction() as session:
            department = rename_department(
                session, department_id=department_id, name=name, by=current_actor()
            )
    except (Invalid, Conflict) as refusal:
        errors = {f"name-{department_id}": refusal.sentence}
        return _departments_page(name, errors, department_id), 422
    flash(f"It is called {department.name} now.", "done")
    return see_other(url_for("admin.departments"))


@bp.post("/departments/<int:department_id>/active")
@requires("admin.manage")
def update_department(department_id: int) -> Response:
    """Close a department, or open it again."""
    is_active = request.form.get("is_active") == "1"
    with db.transaction() as session:
        department = set_department_active(
            session, department_id=department_id, is_active=is_active, by=current_actor()
        )
    flash(f"{department.name} is {'open again' if is_active else 'closed'}.", "done")
    return see_other(url_for("admin.departments"))


@bp.get("/site")
@requires("admin.view")
def site() -> str:
    """Show what an agent minute costs."""
    pence = get_pence_per_minute(db.session, current_settings().pence_per_minute)
    return _site_page(write_amount(pence or None, current_settings().currency), {})


def _site_page(typed: str, errors: dict[str, str]) -> str:
    return render_template(
        "admin/site.html", typed=typed, errors=errors, currency=current_settings().currency
    )


@bp.post("/site")
@requires("admin.manage")
def update_site() -> Page:
    """Set what an agent minute costs."""
    typed = request.form.get("pence_per_minute", "").strip()
    try:
        with db.transaction() as session:
            set_pence_per_minute(session, pence=_read_money(typed), by=current_actor())
    except Invalid as refusal:
        return _site_page(typed, refusal.fields), 422
    flash("The cost is set. Measurements made before keep the rate they used.", "done")
    return see_other(url_for("admin.site"))


def _read_money(typed: str) -> float:
    try:
        return read_amount(typed, current_settings().currency)
    except ValueError:
        sentence = "Write an amount such as 0.62."
        raise Invalid(sentence, {"pence_per_minute": sentence}) from None


@bp.get("/audit")
@requires("admin.view")
def audit() -> str:
    """Show every event, the newest first."""
    asked = request.args.get("kind", "")
    kind = ActorKind(asked) if asked in set(ActorKind) else None
    before = request.args.get("before", type=row_id)
    events = list_events(db.session, before_id=before, actor_kind=kind, limit=EVENT_ROWS + 1)
    return render_template(
        "admin/audit.html",
        events=events[:EVENT_ROWS],
        more=events[EVENT_ROWS - 1].id if len(events) > EVENT_ROWS else None,
        before=before,
        kind=kind.value if kind else "",
        kinds=[("", "everybody"), *((k.value, words) for k, words in ACTOR_WORDS.items())],
        actor_words={k.value: words for k, words in ACTOR_WORDS.items()},
    )


def _role_options() -> list[tuple[str, str]]:
    return [(role.value, role.label) for role in Role]


def _department_options(chosen: int | None = None) -> list[tuple[str, str]]:
    found = list_departments(db.session, active_only=False)
    return [
        ("", "none"),
        *((str(d.id), d.name) for d in found if d.is_active or d.id == chosen),
    ]


def _read_role() -> Role:
    asked = request.form.get("role", "")
    if asked not in set(Role):
        sentence = "Choose one of the four roles."
        raise Invalid(sentence, {"role": sentence})
    return Role(asked)


def _read_department() -> int | None:
    text = request.form.get("department_id", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        sentence = "Choose a department from the list."
        raise Invalid(sentence, {"department_id": sentence})
    return int(text)
