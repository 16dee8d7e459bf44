"""The blueprint every feature of the API hangs on."""

from __future__ import annotations

from apiflask import APIBlueprint

from closedloop.api.auth import guard_api

bp = APIBlueprint("api", __name__, url_prefix="/api/v1")
guard_api(bp)
