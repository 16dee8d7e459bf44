"""`closedloop actions cost`: what a fix costs, as a range."""

from __future__ import annotations

from pathlib import Path

import click

from closedloop.cli.actions_power import power
from closedloop.cli.actions_scope import review, scope, ship, take_back
from closedloop.cli.options import (
    instance_option,
    json_option,
    open_site,
    print_json,
    speaks_plainly,
)
from closedloop.domain.audit import COMMAND_LINE
from closedloop.domain.errors import Invalid
from closedloop.domain.money import minor_units
from closedloop.queries.action_page import find_action
from closedloop.services.actions import state_cost


@click.group("actions")
def actions() -> None:
    """Say what there is to say about actions."""


for _command in (power, scope, ship, take_back, review):
    actions.add_command(_command)


@actions.command("cost")
@click.argument("action_key")
@instance_option
@click.option("--at-least", type=float, help="In whole units of the site's currency.")
@click.option("--at-most", type=float, help="Likewise; not less.")
@click.option("--unset", is_flag=True, help="Take back what was stated.")
@json_option
@speaks_plainly
def cost(
    action_key: str,
    instance: Path | None,
    at_least: float | None,
    at_most: float | None,
    unset: bool,
    as_json: bool,
) -> None:
    """State what the fix of an action costs; without options, print what was stated."""
    site = open_site(instance)
    units = minor_units(site.settings.currency)
    asked = at_least is not None or at_most is not None
    if asked and unset:
        raise Invalid("Either state a cost or take it back: --unset goes without amounts.")
    with site.database.transaction() as session:
        action = find_action(session, action_key)
        if asked or unset:
            low, high = (None if one is None else one * units for one in (at_least, at_most))
            state_cost(session, action_id=action.id, cost_low=low, cost_high=high, by=COMMAND_LINE)
        found = (action.cost_low, action.cost_high)
    if as_json:
        print_json({"action": action_key, "cost_low": found[0], "cost_high": found[1]})
    elif found[0] is None or found[1] is None:
        click.echo(f"Nobody has said what {action_key} costs.")
    else:
        click.echo(
            f"{action_key} costs {site.settings.currency} {found[0] / units:,.2f} to "
            f"{found[1] / units:,.2f}."
        )
