"""`closedloop themes name`: what would be sent is shown first, sent with --yes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from closedloop.cli.options import (
    Ticker,
    instance_option,
    json_option,
    open_site,
    print_json,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.naming import INSTRUCTION
from closedloop.queries.theme_page import find_theme
from closedloop.services.naming import NamingPlan, NamingResult, plan_names, suggest_names


@click.command("name")
@click.argument("keys", nargs=-1, metavar="[KEY]…")
@click.option("--yes", is_flag=True, help="Send it; without, only show what would be sent.")
@instance_option
@json_option
@speaks_plainly
def name(keys: tuple[str, ...], yes: bool, instance: Path | None, as_json: bool) -> None:
    """Let a language model suggest names for themes; people decide on each theme's page.

    Without a KEY: all themes that nobody has named and no model was asked about.
    """
    site = open_site(instance)
    with site.database.reading() as session:
        ids = [find_theme(session, key).id for key in keys]
        if not yes:
            plan = plan_names(session, settings=site.settings, theme_ids=ids)
    if not yes:
        _show_plan(plan, as_json)
        return
    with Ticker(quiet=as_json) as ticker:
        result = suggest_names(
            site.database.transaction,
            settings=site.settings,
            theme_ids=ids,
            by=COMMAND_LINE,
            report=ticker,
        )
    _show_result(result, as_json)


def _show_plan(plan: NamingPlan, as_json: bool) -> None:
    if as_json:
        print_json({**dataclasses.asdict(plan), "instruction": INSTRUCTION, "sent": False})
        return
    if plan.questions:
        click.echo(f"Would be sent to {plan.where} ({plan.model}), a theme at a time, after:")
        click.echo(f"  {INSTRUCTION}")
    for question in plan.questions:
        click.echo(f"\n{question.key}\n{question.to_json()}")
    _show_reasons(plan.passed_by)
    if plan.questions:
        click.echo("\nNothing was sent. Repeat with --yes to send it.")
    else:
        click.echo("There is no theme to ask about; nothing was sent.")


def _show_result(result: NamingResult, as_json: bool) -> None:
    if as_json:
        print_json({**dataclasses.asdict(result), "sent": True})
        return
    for key, suggested in result.suggested:
        click.echo(f"{key}: {suggested}")
    for key, reason in result.refused:
        click.echo(f"{key}: refused, {reason}. The theme keeps the name it has.")
    _show_reasons(result.passed_by)
    if result.suggested:
        click.echo("Suggested only: accept or dismiss each on the page of its theme.")


def _show_reasons(passed_by: tuple[tuple[str, str], ...]) -> None:
    for key, reason in passed_by:
        click.echo(f"{key}: nothing is sent, {reason}.")
