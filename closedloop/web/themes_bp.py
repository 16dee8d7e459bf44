"""The blueprint that the pages of themes share."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("themes", __name__, url_prefix="/themes")
