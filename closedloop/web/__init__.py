"""The HTML door: a thin blueprint per feature."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date

import flask
from flask_login import current_user
from werkzeug.middleware.proxy_fix import ProxyFix

from closedloop.config import Settings
from closedloop.extensions import csrf, current_settings, db
from closedloop.queries.site import (
    DataSpan,
    get_definition_set_number,
    get_nav_counts,
)
from closedloop.services.impact import METHOD_VERSION
from closedloop.web.asked import IdConverter, refuse_nul
from closedloop.web.errors import init_errors
from closedloop.web.filters import register_filters
from closedloop.web.permissions import guard_pages, refuse_unmarked_routes, user_may
from closedloop.web.session import init_sessions
from closedloop.web.spans import data_span

BLUEPRINTS = (
    "home",
    "contacts",
    "metrics",
    "themes",
    "triage",
    "actions",
    "impact",
    "reports",
    "accounts",
    "admin",
    "jobs",
)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Frame:
    """What stands around every page: rail, footer, banner."""

    site_name: str
    zone: str
    repeat_window_days: int
    demo_day: date | None
    method_version: str
    may: Callable[[str], bool]
    nav_counts: dict[str, int] = field(default_factory=dict)
    span: DataSpan = field(default_factory=lambda: DataSpan(None, None))
    definition_set: int | None = None

    @property
    def data_cut(self) -> date | None:
        """Last reporting day that holds contacts."""
        return self.span.last_day


def init_app(app: flask.Flask, settings: Settings) -> None:
    """Register the pages, and what keeps them safe."""
    csrf.init_app(app)
    init_sessions(app)
    register_filters(app)
    init_errors(app)
    guard_pages(app)
    refuse_nul(app)
    app.url_map.converters["int"] = IdConverter
    for name in BLUEPRINTS:
        app.register_blueprint(importlib.import_module(f"closedloop.web.{name}").bp)
    app.context_processor(lambda: {"frame": _frame(current_settings())})
    app.after_request(_add_headers)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops
        )
    refuse_unmarked_routes(app)


def _frame(settings: Settings) -> Frame:
    """Build the frame once a request; a stranger gets no counts, nor does a page of a failure."""
    if "frame" in flask.g:
        frame: Frame = flask.g.frame
        return frame
    is_broken = flask.g.get("is_broken", False)
    known = not is_broken and bool(current_user and current_user.is_authenticated)
    flask.g.frame = Frame(
        site_name=settings.site_name,
        zone=settings.reporting_zone,
        repeat_window_days=settings.repeat_window_days,
        demo_day=settings.demo_today,
        method_version=METHOD_VERSION,
        may=user_may,
        nav_counts=get_nav_counts(db.session) if known else {},
        span=data_span() if known else DataSpan(None, None),
        definition_set=get_definition_set_number(db.session) if known else None,
    )
    return flask.g.frame  # type: ignore[no-any-return]


def _add_headers(response: flask.Response) -> flask.Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    if response.mimetype == "text/html":  # also the page of a missing file: it sets a cookie
        headers.setdefault("Cache-Control", "no-store")
    if flask.request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return response
