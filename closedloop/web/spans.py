"""How far the data reach, read once a request."""

from __future__ import annotations

from datetime import date

import flask

from closedloop.extensions import current_settings, db
from closedloop.queries.site import DataSpan, get_data_span


def data_span() -> DataSpan:
    """Return the reporting days that the contacts reach over."""
    if "data_span" not in flask.g:
        flask.g.data_span = get_data_span(db.session)
    span: DataSpan = flask.g.data_span
    return span


def data_cut() -> date | None:
    """Return the last day that the data reach and that is over; None without any."""
    return data_span().cut(current_settings().reporting_zone)
