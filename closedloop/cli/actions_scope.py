"""`closedloop actions scope`, `ship`, `take-back` and `review`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from closedloop.cli.options import (
    NUMBER,
    Number,
    instance_option,
    json_option,
    open_site,
    print_json,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.comebacks import ComebackOutcome
from closedloop.domain.errors import Invalid
from closedloop.domain.impact import looks
from closedloop.domain.impact_stages import read_stages
from closedloop.queries.action_page import find_action
from closedloop.queries.action_scope import find_theme_ids, get_scope
from closedloop.services.action_scope import state_scope
from closedloop.services.actions import ship_action
from closedloop.services.comeback_reviews import review_comeback
from closedloop.services.taking_back import take_back_go_live


@click.command("scope")
@click.argument("action_key")
@instance_option
@click.option("--also", multiple=True, help="Key of a theme that the fix touches, too; repeat it.")
@click.option("--driver", default="", help="Imported driver volume that effects are held against.")
@click.option("--unset", is_flag=True, help="Touch its own theme alone, held against nothing.")
@json_option
@speaks_plainly
def scope(
    action_key: str,
    instance: Path | None,
    also: tuple[str, ...],
    driver: str,
    unset: bool,
    as_json: bool,
) -> None:
    """Say what the fix of an action touches beside its theme; without options, print it.

    What is given takes the place of what was said before, and is frozen when the action ships.
    """
    site = open_site(instance)
    if unset and (also or driver):
        raise Invalid("Either say what it touches or take it back: --unset goes alone.")
    with site.database.transaction() as session:
        action = find_action(session, action_key)
        if also or driver or unset:
            theme_ids = find_theme_ids(session, also)
            state_scope(
                session, action_id=action.id, also=theme_ids, driver=driver, by=COMMAND_LINE
            )
        found = get_scope(session, action.id)
    if as_json:
        keys = [theme.key for theme in found.also]
        print_json({"action": action_key, "also": keys, "driver": found.driver})
        return
    names = ", ".join(f"{theme.key} {theme.name}" for theme in found.also)
    click.echo(f"{action_key} touches, beside its theme: {names or 'nothing'}.")
    click.echo(f"Effects are held against: {found.driver or 'no driver volume'}.")


@click.command("ship")
@click.argument("action_key")
@instance_option
@click.option(
    "--live-on",
    required=True,
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day on which any customer met the change.",
)
@click.option(
    "--rollout-days",
    type=Number(least=0),
    default=0,
    help="Days from then on that are not counted.",
)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    help="'2026-03-03 25 %': from a day on this share of customers has it; repeat it.",
)
@json_option
@speaks_plainly
def ship(
    action_key: str,
    instance: Path | None,
    live_on: datetime,
    rollout_days: int,
    stages: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say that the change of an agreed action is live; its plan freezes."""
    site = open_site(instance)
    read, problem = read_stages("\n".join(stages))
    if problem:
        raise Invalid(problem, {"stages": problem})
    with site.database.transaction() as session:
        shipped = ship_action(
            session,
            action_id=find_action(session, action_key).id,
            went_live_on=live_on.date(),
            rollout_days=rollout_days,
            stages=read,
            settings=site.settings,
            by=COMMAND_LINE,
        )
        days = looks(shipped.went_live_on, shipped.rollout_days)
    if as_json:
        print_json({"action": action_key, "went_live_on": live_on.date(), "looks": days})
        return
    click.echo(f"{action_key} is shipped, live since {live_on.date().isoformat()}.")
    click.echo(f"The first look reads data to {days[0].isoformat()}.")


@click.command("take-back")
@click.argument("action_key")
@instance_option
@click.option("--reason", required=True, help="Why it was none; kept in its history.")
@json_option
@speaks_plainly
def take_back(action_key: str, instance: Path | None, reason: str, as_json: bool) -> None:
    """Take the go-live of an action back: the wrong action, the wrong day, a pulled release.

    What was measured stays and says so; it counts no longer. Then it can be shipped again.
    """
    site = open_site(instance)
    with site.database.transaction() as session:
        action = find_action(session, action_key)
        live = take_back_go_live(session, action_id=action.id, reason=reason, by=COMMAND_LINE)
        day, status, theme = live.went_live_on, action.status, action.theme
        theme_key, theme_status = theme.key, theme.status
    if as_json:
        found = {"action": action_key, "went_live_on": day, "status": status.value}
        print_json({**found, "theme": theme_key, "theme_status": theme_status.value})
        return
    click.echo(f"The go-live of {action_key} on {day.isoformat()} is taken back.")
    click.echo(f"{action_key} is {status.label}, {theme_key} {theme_status.label}.")


@click.command("review")
@click.argument("alarm", type=NUMBER)
@instance_option
@click.option("--outcome", required=True, type=click.Choice([one.value for one in ComebackOutcome]))
@click.option("--note", default="", help="What was found; needed when something explains it.")
@speaks_plainly
def review(alarm: int, instance: Path | None, outcome: str, note: str) -> None:
    """Put down what was found behind an alarm of the comeback watch, once."""
    site = open_site(instance)
    with site.database.transaction() as session:
        found = review_comeback(
            session, comeback_id=alarm, outcome=outcome, note=note, by=COMMAND_LINE
        )
        label = ComebackOutcome(found.outcome).label
    click.echo(f"Alarm {alarm} is reviewed: {label.lower()}.")
