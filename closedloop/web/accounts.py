"""Pages about oneself: sign in and out, first run, profile, sessions, tokens."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug import Response

from closedloop.domain.errors import Invalid, NotFound, TooManyAttempts
from closedloop.extensions import db
from closedloop.queries.accounts import has_users, list_sessions, token_hash
from closedloop.queries.tokens import list_tokens
from closedloop.services.accounts import (
    WRONG,
    add_first_admin,
    change_password,
    open_session,
    revoke_session,
    revoke_sessions,
)
from closedloop.services.accounts import sign_in as check_password
from closedloop.services.accounts import sign_out as close_session
from closedloop.services.tokens import add_token, revoke_token
from closedloop.web.browsers import browser_words
from closedloop.web.permissions import PUBLIC, requires
from closedloop.web.session import begin_session, current_actor, end_session

bp = Blueprint("accounts", __name__)
Answer = str | Response | tuple[str, int]


def own_path(target: str) -> str:
    """Return where to go after signing in: a path of this site, home otherwise."""
    parts = urlsplit(target.replace("\\", "/"))
    is_own = target.startswith("/") and not target.startswith("//") and not parts.netloc
    is_own &= target.isprintable()  # no header carries a line break
    return target if is_own and not parts.scheme else url_for("home.index")


@bp.get("/sign-in")
@requires(PUBLIC)
def sign_in() -> Answer:
    """Show the sign-in form; a site without people asks for its administrator instead."""
    if current_user.is_authenticated:
        return redirect(own_path(request.args.get("next", "")), code=303)
    if not has_users(db.session):
        return redirect(url_for("accounts.first_run"), code=303)
    return render_template("accounts/sign_in.html", next=request.args.get("next", ""), email="")


@bp.post("/sign-in")
@requires(PUBLIC)
def sign_in_submit() -> Answer:
    """Open a session, or say that the two do not belong together."""
    email, target = request.form.get("email", ""), request.form.get("next", "")
    try:
        with db.transaction() as session:  # also kept when the password was wrong: it counts
            token = check_password(
                session,
                email=email,
                password=request.form.get("password", ""),
                address=request.remote_addr or "",
                browser=request.user_agent.string,
            )
        sentence = WRONG
    except TooManyAttempts as refusal:
        token, sentence = None, refusal.sentence
    if token is None:
        page = render_template("accounts/sign_in.html", next=target, email=email, error=sentence)
        return page, 422 if sentence == WRONG else 429
    begin_session(token)
    return redirect(own_path(target), code=303)


@bp.post("/sign-out")
@requires("accounts.self")
def sign_out() -> Answer:
    """End this session, here and in the database."""
    with db.transaction() as session:
        close_session(session, token=current_user.token, by=current_actor())
    end_session()
    return redirect(url_for("accounts.sign_in"), code=303)


@bp.get("/first-run")
@requires(PUBLIC)
def first_run() -> Answer:
    """Ask a fresh site's first visitor for its administrator."""
    if has_users(db.session):
        return redirect(url_for("accounts.sign_in"), code=303)
    return render_template("accounts/first_run.html", values={}, errors={})


@bp.post("/first-run")
@requires(PUBLIC)
def first_run_submit() -> Answer:
    """Add the administrator and sign them in."""
    values = {name: request.form.get(name, "") for name in ("name", "email")}
    try:
        with db.transaction() as session:
            user = add_first_admin(session, **values, password=request.form.get("password", ""))
            token = open_session(session, user=user, browser=request.user_agent.string)
    except Invalid as refusal:
        page = render_template("accounts/first_run.html", values=values, errors=refusal.fields)
        return page, 422
    begin_session(token)
    flash("The site is yours. Next: bring in contacts.", "done")
    return redirect(url_for("home.index"), code=303)


@bp.get("/profile")
@requires("accounts.self")
def profile() -> Answer:
    """Show who one is, where one is signed in, and one's API tokens."""
    return _profile()


def _profile(errors: dict[str, str] | None = None, *, made: str = "", status: int = 200) -> Answer:
    typed = {name: request.form.get(name, "") for name in ("name", "scope", "days")}
    page = render_template(
        "accounts/profile.html",
        typed={} if made else typed,
        browser_words=browser_words,
        sessions=list_sessions(db.session, current_user.id),
        here=token_hash(current_user.token),
        tokens=list_tokens(db.session, current_user.id),
        errors=errors or {},
        made=made,
    )
    return page, status


@bp.post("/profile/password")
@requires("accounts.self")
def update_password() -> Answer:
    """Change the password; every other session ends, and every token if that is asked for."""
    ends_tokens = bool(request.form.get("ends_tokens"))
    try:
        with db.transaction() as session:
            change_password(
                session,
                user_id=current_user.id,
                current=request.form.get("current", ""),
                new=request.form.get("new", ""),
                token=current_user.token,
                by=current_actor(),
                ends_tokens=ends_tokens,
            )
    except Invalid as refusal:
        return _profile(refusal.fields, status=422)
    tokens = " Your API tokens are revoked." if ends_tokens else ""
    flash(f"Your password is changed. You are signed out everywhere else.{tokens}", "done")
    return redirect(url_for("accounts.profile"), code=303)


@bp.post("/profile/sessions/<session_id>/revoke")
@requires("accounts.self")
def revoke(session_id: str) -> Answer:
    """End one of one's own sessions."""
    with db.transaction() as session:
        if not revoke_session(
            session, user_id=current_user.id, session_id=session_id, by=current_actor()
        ):
            raise NotFound("That session has ended already.")
    flash("That session is ended.", "done")
    return redirect(url_for("accounts.profile"), code=303)


@bp.post("/profile/sessions/revoke-others")
@requires("accounts.self")
def revoke_others() -> Answer:
    """End all of one's sessions but this one."""
    with db.transaction() as session:
        revoked = revoke_sessions(
            session, user_id=current_user.id, by=current_actor(), keep=current_user.token
        )
    many = f"{revoked} other sessions are ended."
    flash("1 other session is ended." if revoked == 1 else many, "done")
    return redirect(url_for("accounts.profile"), code=303)


@bp.post("/profile/tokens")
@requires("accounts.self")
def create_token() -> Answer:
    """Make an API token and show it, once."""
    try:
        with db.transaction() as session:
            made = add_token(
                session,
                user_id=current_user.id,
                name=request.form.get("name", ""),
                may_write=request.form.get("scope") == "write",
                days=request.form.get("days", ""),
                by=current_actor(),
            )
    except Invalid as refusal:
        return _profile(refusal.fields, status=422)
    return _profile(made=made)


@bp.post("/profile/tokens/<int:token_id>/revoke")
@requires("accounts.self")
def remove_token(token_id: int) -> Answer:
    """Revoke one of one's own tokens."""
    with db.transaction() as session:
        revoke_token(session, user_id=current_user.id, token_id=token_id, by=current_actor())
    flash("The token is revoked.", "done")
    return redirect(url_for("accounts.profile"), code=303)
