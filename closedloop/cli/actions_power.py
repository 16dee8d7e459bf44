"""`closedloop actions power`."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path

import click

from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.actions import MOST_ROLLOUT_DAYS
from closedloop.domain.power import Foresight, advise, foresee
from closedloop.queries.action_page import find_action
from closedloop.services.impact_power import foresee_power


@click.command("power")
@click.argument("action_key")
@instance_option
@click.option(
    "--live-on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of the roll-out. [default: when it is due, or the day after the last data]",
)
@click.option(
    "--rollout-days",
    type=click.IntRange(0, MOST_ROLLOUT_DAYS),
    default=0,
    show_default=True,
    help="Days from then on that are not counted.",
)
@json_option
@speaks_plainly
def power(
    action_key: str,
    instance: Path | None,
    live_on: datetime | None,
    rollout_days: int,
    as_json: bool,
) -> None:
    """Say whether what is expected of an action could be proven, and by which look."""
    site = open_site(instance)
    with site.database.reading() as session:
        found = foresee_power(
            session,
            settings=site.settings,
            action_id=find_action(session, action_key).id,
            live_on=live_on.date() if live_on else None,
            rollout_days=rollout_days,
        )
    if as_json:
        proven_by = found.sure.day if found.sure else None
        print_json({**dataclasses.asdict(found), "proven_by": proven_by, "advice": advise(found)})
        return
    for sentence in [*foresee(found), *advise(found)]:
        click.echo(sentence)
    if found.can_speak:
        print_table(["look", "counted days", "expected", "proves it", "sees"], _rows(found))


def _rows(found: Foresight) -> list[list[str]]:
    return [
        [
            look.day.isoformat(),
            f"{look.days}",
            f"{look.expected:,.0f}" if look.speaks else "",
            f"{look.chance:.0%}",
            "nothing" if look.smallest_seen is None else f"{look.smallest_seen:.0%} or more",
        ]
        for look in found.looks
    ]
