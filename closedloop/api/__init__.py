"""The JSON door, /api/v1: tokens instead of cookies, problem documents instead of pages."""

from __future__ import annotations

import importlib

from apiflask import APIFlask

from closedloop.api.auth import PACE, refuse_unmarked_views
from closedloop.api.blueprint import bp
from closedloop.api.errors import init_errors
from closedloop.api.openapi import init_openapi
from closedloop.api.pace import Pace
from closedloop.config import Settings
from closedloop.extensions import csrf

FEATURES = (
    "contacts",
    "repeats",
    "metrics",
    "themes",
    "themes_curation",
    "themes_runs",
    "themes_evidence",
    "themes_checks",
    "themes_life",
    "themes_map",
    "codes",
    "themes_next",
    "themes_drivers",
    "themes_leftovers",
    "themes_giving",
    "themes_triage",
    "actions",
    "actions_power",
    "actions_scope",
    "impact",
    "impact_money",
    "imports",
    "import_results",
    "mappings",
    "jobs",
    "openapi",
)


def init_app(app: APIFlask, settings: Settings) -> None:
    """Register the API; it has no cookies, so it needs no CSRF token."""
    app.extensions[PACE] = Pace(settings.api_per_minute)
    for name in FEATURES:
        importlib.import_module(f"closedloop.api.{name}")
    csrf.exempt(bp)
    init_openapi(app)
    app.register_blueprint(bp)
    init_errors(app)
    refuse_unmarked_views(app)
