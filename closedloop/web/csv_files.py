"""Tables sent as CSV files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from flask import Response

from closedloop.adapters.csv_out import csv_lines


def csv_response(name: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """Send rows as a CSV file called `name`, a hundred rows at a time."""
    return send_csv(name, csv_lines(headings, rows))


def send_csv(name: str, lines: Iterable[str]) -> Response:
    """Send the pieces of a CSV file called `name`, which no cache keeps."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)
    response = Response(lines, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{plain}"'
    response.headers["Cache-Control"] = "no-store"
    return response
