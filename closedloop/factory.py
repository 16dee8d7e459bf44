"""Build the application: read settings, bind extensions, open the doors."""

from __future__ import annotations

import gc
import logging
from datetime import timedelta
from pathlib import Path

from apiflask import APIFlask
from sqlalchemy.exc import DatabaseError

from closedloop import api, web
from closedloop.config import Settings, SettingsError
from closedloop.domain.accounts import SESSION_DAYS
from closedloop.domain.clock import set_today
from closedloop.extensions import Database
from closedloop.services.migrations import database_revisions, tables_problem

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"


def create_app(settings: Settings | None = None) -> APIFlask:
    """Return a ready application.

    Neither worker nor scheduler is started here: a web process that also ran jobs would run
    each of them once per process. `closedloop serve` starts the three together.

    Parameters
    ----------
    settings : Settings, optional
        Tests pass their own. By default `Settings.from_env()` reads the environment.

    Raises
    ------
    SettingsError
        If a required variable is missing or malformed; the process must not start.
    """
    settings = settings or Settings.from_env()
    logging.getLogger("closedloop").setLevel(settings.log_level)
    if settings.demo_today:
        set_today(settings.demo_today, settings.reporting_zone)
    app = APIFlask(
        "closedloop",
        template_folder=str(TEMPLATES),
        static_folder="static",
        title="closedloop",
        version="1.0",
        json_errors=False,
        spec_path=None,
        docs_path=None,
    )
    app.config.update(
        SETTINGS=settings,
        SECRET_KEY=settings.secret_key,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.secure_cookies,
        SESSION_COOKIE_NAME="closedloop",
        PERMANENT_SESSION_LIFETIME=timedelta(days=SESSION_DAYS),
        MAX_CONTENT_LENGTH=settings.max_upload_mb * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=1024 * 1024,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=1),
        WTF_CSRF_TIME_LIMIT=None,
    )
    Database().init_app(app, settings)
    web.init_app(app, settings)
    api.init_app(app, settings)
    return app


def _refuse_other_tables(database: Database) -> None:
    try:
        current, newest = database_revisions(database.engine)
    except DatabaseError:
        return  # it is away: pages say so until it is back
    finally:
        database.engine.dispose()  # a server that forks now must not share a connection
    if problem := tables_problem(current, newest):
        raise SettingsError(problem)


def create_served_app() -> APIFlask:
    """Return the application for a process that serves nothing else until it ends.

    What is there by now stays, so the collector need not walk through it during requests: a walk
    takes longer than most pages.

    Raises
    ------
    SettingsError
        If the settings are malformed, or the tables are those of another version: each page would
        fail by itself.
    """
    app = create_app()
    _refuse_other_tables(app.extensions["closedloop_database"])
    gc.collect()
    gc.freeze()
    return app
