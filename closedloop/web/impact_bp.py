"""The blueprint that the pages of impact share."""

from __future__ import annotations

from flask import Blueprint

bp = Blueprint("impact", __name__, url_prefix="/impact")
