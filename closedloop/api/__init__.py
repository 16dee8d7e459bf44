"""The JSON door, /api/v1."""

from __future__ import annotations

from apiflask import APIFlask

from closedloop.config import Settings


def init_app(app: APIFlask, settings: Settings) -> None:
    """Register the API."""
    del app, settings
