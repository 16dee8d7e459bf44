"""`closedloop themes codes`: wrap-up codes against themes."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.errors import Refusal
from closedloop.queries.codes import CodeCell, CodeMatrix, find_code_matrix

DAY = click.DateTime(["%Y-%m-%d"])
CODES_PRINTED = 6
"""Codes in a table on the screen; JSON gives all of them."""


@click.command("codes")
@instance_option
@click.option("--from", "first_day", type=DAY, help="First day, inclusive. [default: 90 days]")
@click.option("--to", "last_day", type=DAY, help="Last day, inclusive. [default: the last one]")
@json_option
@speaks_plainly
def codes(
    instance: Path | None, first_day: datetime | None, last_day: datetime | None, as_json: bool
) -> None:
    """Print how agents coded the contacts of each theme, and what is worth a conversation."""
    site = open_site(instance)
    with site.database.reading() as session:
        matrix = find_code_matrix(
            session,
            first_day=_day(first_day),
            last_day=_day(last_day),
            k=site.settings.privacy_k,
        )
    if matrix is None:
        raise Refusal("There are no contacts yet: closedloop import")
    if as_json:
        print_json(_facts(matrix))
        return
    _print(matrix)


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


def _facts(matrix: CodeMatrix) -> dict[str, Any]:
    return {
        "first_day": matrix.first_day.isoformat(),
        "last_day": matrix.last_day.isoformat(),
        "without_code": matrix.without_code,
        "codes": [
            {"code": c.code, "contacts": c.contacts, "others": c.others} for c in matrix.columns
        ],
        "themes": [
            {
                "key": row.key,
                "name": row.name,
                "contacts": row.contacts,
                "others": row.others,
                "cells": [_cell_facts(cell) for cell in row.cells],
            }
            for row in matrix.rows
        ],
        "findings": [
            {
                "kind": found.kind,
                "code": found.code,
                "theme": found.key or None,
                "contacts": found.contacts,
                "reason": found.reason,
                "residual": found.residual,
                "q_value": found.q_value,
            }
            for found in matrix.findings
        ],
    }


def _cell_facts(cell: CodeCell) -> dict[str, Any]:
    share = None if cell.share is None else round(cell.share, 4)
    return {"contacts": cell.contacts, "share_of_theme": share, "mark": cell.mark}


def _print(matrix: CodeMatrix) -> None:
    shown = matrix.columns[:CODES_PRINTED]
    headings = ["theme", "all", *(c.code or f"{c.others} others" for c in shown), "name"]
    rows = [
        [
            row.key or "–",
            f"{row.contacts:,}",
            *(_words(cell) for cell in row.cells[:CODES_PRINTED]),
            row.name or f"{row.others} other themes",
        ]
        for row in matrix.rows
    ]
    print_table(headings, rows)
    if len(matrix.columns) > len(shown):
        click.echo(f"{len(matrix.columns) - len(shown)} further codes: --json gives them.")
    for found in matrix.findings:
        click.echo(f"! {found.reason}")
    if not matrix.rows:
        click.echo("No theme has enough contacts with a wrap-up code in these days.")


def _words(cell: CodeCell) -> str:
    if cell.contacts is None:
        return "hidden"
    return f"{'! ' if cell.mark else ''}{cell.contacts:,}"
