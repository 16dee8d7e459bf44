"""`closedloop report`, `closedloop report repeats` and `closedloop report metrics`."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from closedloop.cli.metrics import metrics
from closedloop.cli.options import (
    Site,
    instance_option,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.domain.contacts import WINDOWS, window_for
from closedloop.domain.errors import Invalid, Refusal
from closedloop.domain.impact import LOOK_DAYS, Range, Verdict
from closedloop.domain.impact_page_words import left_out
from closedloop.domain.impact_words import spelt, to_words
from closedloop.domain.money_words import not_at_this_pace, worth_in_words
from closedloop.domain.placebos import say_all
from closedloop.domain.report_words import headline, rates_sentence, what_did_not
from closedloop.jobs.work import data_cut
from closedloop.queries.impact import COUNTED_VERDICTS, ShippedAction, Standing
from closedloop.queries.impact_site import find_newest_check
from closedloop.queries.reports import Report, default_period, get_repeat_summary, get_report
from closedloop.queries.site import get_data_span, get_pence_per_minute

DAY = click.DateTime(["%Y-%m-%d"])


@click.group("report", invoke_without_command=True)
@click.pass_context
@instance_option
@click.option("--from", "first_day", type=DAY, help="First day of the period, inclusive.")
@click.option("--to", "last_day", type=DAY, help="Last day of the period, inclusive.")
@json_option
@speaks_plainly
def report(
    ctx: click.Context,
    instance: Path | None,
    first_day: datetime | None,
    last_day: datetime | None,
    as_json: bool,
) -> None:
    """Print the executive report: what was shipped in a period, and what it did.

    The period is this year so far or the last six months, whichever reaches back further.
    """
    if ctx.invoked_subcommand is not None:
        ctx.obj = instance
        return
    site = open_site(instance)
    with site.database.reading() as session:
        days = get_data_span(session).whole_days(site.settings.reporting_zone)
        if days is None:
            raise Refusal("There are no contacts of a complete day yet. Import some first.")
        begins, cut = days
        first, last = default_period(cut, begins)
        first = max(first_day.date() if first_day else first, begins)
        last = min(last_day.date() if last_day else last, cut)
        if first > last:
            raise Invalid(
                f"The period {first} to {last} holds no day. The contacts reach from "
                f"{begins} to {cut}."
            )
        found = get_report(
            session,
            first_day=first,
            last_day=last,
            cut=cut,
            first_data_day=begins,
            k=site.settings.privacy_k,
            zone=site.settings.reporting_zone,
            pence_now=get_pence_per_minute(session, site.settings.pence_per_minute),
        )
        check = find_newest_check(session)
    if as_json:
        checked = dataclasses.asdict(check) if check else None
        print_json({**_facts(found, cut, site), "placebos": checked})
        return
    _print(found, cut, site)
    if check:
        click.echo(say_all(check))


def _facts(found: Report, cut: date, site: Site) -> dict[str, Any]:
    money = found.money
    return {
        "from": found.first_day,
        "to": found.last_day,
        "data_to": cut,
        "actions_with_range": found.total.actions,
        "inconclusive": found.total.inconclusive,
        "avoided": _range(found.total.avoided),
        "agent_minutes": _range(money.minutes),
        "full_time_people": _range(money.people),
        "currency": site.settings.currency,
        "pence": _range(money.pence),
        "actions_with_price": money.priced,
        "actions_not_at_this_pace": money.came_back,
        "repeat_rates": [
            dataclasses.asdict(span) for span in (found.at_first, found.at_last) if span
        ],
        "shipped": [_row(row) for row in found.shipped],
        "open_actions": len(found.open_actions),
        "came_back": [theme.key for theme in found.back_again],
        "candidates_waiting": found.waiting.candidates,
    }


def _range(value: Range | None) -> dict[str, float] | None:
    return dataclasses.asdict(value) if value else None


def _row(row: ShippedAction) -> dict[str, Any]:
    has_range = row.look is not None and row.look.verdict in COUNTED_VERDICTS
    return {
        "action": row.key,
        "title": row.title,
        "theme": row.theme_key,
        "department": row.department_name,
        "live": row.went_live_on,
        "verdict": row.verdict.value,
        "look": row.look_number,
        "avoided": _range(row.look.avoided) if row.look and has_range else None,
        "moved": bool(row.look and row.look.has_moved),
        "came_back_since": row.came_back_since,
    }


def _print(found: Report, cut: date, site: Site) -> None:
    total = found.total
    rose = sum(row.verdict is Verdict.ROSE for row in found.shipped)
    back = sum(row.came_back_since is not None for row in found.shipped)
    click.echo(headline(total.avoided, came_back=back, rose=rose, inconclusive=total.inconclusive))
    click.echo(f"{spelt(found.first_day)} to {spelt(found.last_day)}, data to {spelt(cut)}\n")
    if said := worth_in_words(
        found.money.minutes, found.money.people, found.money.pence, site.settings.currency
    ):
        click.echo(said)
    if said := not_at_this_pace(found.money.came_back):
        click.echo(said)
    if found.at_first and found.at_last:
        first, last = found.at_first, found.at_last
        click.echo(
            "Repeat contacts within 7 days. "
            + rates_sentence(
                (first.last_day, last.last_day), (first.any, last.any), (first.same, last.same)
            )
        )
        without = [f"{s.unidentified_share or 0:.1%}" for s in (first, last)]
        click.echo(f"Contacts without a known customer, in no rate: {without[0]} and {without[1]}.")
    if said := left_out(total.without_range, total.inconclusive):
        click.echo(f"Contacts avoided: {said}")
    _print_rows(found)
    click.echo(
        f"\nOpen actions: {len(found.open_actions)}. Themes that came back: "
        f"{len(found.back_again)}. Candidates waiting for a decision: {found.waiting.candidates}."
    )


def _range_words(row: ShippedAction) -> str:
    """Return what is credited to an action: the net where its contacts moved."""
    look = row.look
    if look is None or look.verdict not in COUNTED_VERDICTS:
        return ""
    return ("net " if look.has_moved else "") + to_words(look.credited.low, look.credited.high)


def _print_rows(found: Report) -> None:
    if not found.shipped:
        click.echo("No action went live in this period.")
        return
    click.echo("")
    print_table(
        ["action", "live", "verdict", "look", "avoided (95 %)", "title"],
        [
            [
                row.key,
                row.went_live_on,
                _standing(row),
                f"{row.look_number} of {len(LOOK_DAYS)}",
                _range_words(row),
                row.title,
            ]
            for row in found.shipped
        ],
    )
    lines = [
        what_did_not(
            row.title, row.key, row.finding(row.look) if row.look else None, row.came_back_since
        )
        for row in found.shipped
    ]
    if said := [f"- {line.lead} {line.text} {line.note}".rstrip() for line in lines if line]:
        click.echo("\nWhat did not work:\n" + "\n".join(said))


def _standing(row: ShippedAction) -> str:
    """Return the verdict with what is to be known beside its range."""
    has_moved = row.look is not None and row.look.has_moved
    verdict = Standing.MOVED.label if has_moved else row.verdict.label
    back = row.came_back_since
    return f"{verdict}, came back {back}" if back else verdict


@report.command("repeats")
@click.pass_obj
@instance_option
@click.option(
    "--window",
    type=click.Choice([window.key for window in WINDOWS]),
    default="7d",
    show_default=True,
    help="How long after a contact another one is a repeat.",
)
@json_option
@speaks_plainly
def repeats(parent: Path | None, instance: Path | None, window: str, as_json: bool) -> None:
    """Print how many contacts are repeats, over everything that was imported.

    The share looks back (came again within the window); the rates look forward and leave out
    days whose window is still open. What fewer distinct people than the site shows stand behind
    is left out. The share without a known customer stands beside: it is in no rate.
    """
    site = open_site(instance or parent)
    with site.database.reading() as session:
        cut = data_cut(site.database, site.settings)
        zone = site.settings.reporting_zone
        found = get_repeat_summary(
            session,
            window=window_for(window),
            cut=cut,
            k=site.settings.privacy_k,
            zone=zone,
        )
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    for name, value in dataclasses.asdict(found).items():
        words = f"{value:.1%}" if isinstance(value, float) else value
        click.echo(
            f"{name.replace('_', ' ')}: {'not shown or not known' if words is None else words}"
        )


report.add_command(metrics)
