"""`closedloop demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import (
    PORT,
    SEED,
    Ticker,
    json_option,
    open_site,
    print_json,
    print_table,
    speaks_plainly,
)
from closedloop.config import make_instance
from closedloop.demo.run import (
    INSTANCE_SETTINGS,
    build_demo,
    demo_accounts,
    queue_placebo_check,
)
from closedloop.services.migrations import upgrade_database


@click.command("demo")
@click.option(
    "--instance",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-instance"),
    show_default=True,
    help="Where the demo lives; a second run finds it there.",
)
@click.option("--seed", type=SEED, default=7, show_default=True, help="Same seed, same year.")
@click.option("--no-serve", is_flag=True, help="Build it and stop.")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=PORT, default=8000, show_default=True)
@json_option
@speaks_plainly
def demo(instance: Path, seed: int, no_serve: bool, host: str, port: int, as_json: bool) -> None:
    """Build a demonstration bank, run the whole loop on its year, and serve it."""
    make_instance(instance, INSTANCE_SETTINGS)
    site = open_site(instance, needs_tables=False)
    upgrade_database(site.database.engine)
    with Ticker() as ticker:
        summary = build_demo(
            site.database.transaction, settings=site.settings, seed=seed, report=ticker
        )
    if as_json:
        print_json(summary)
    else:
        _print_summary(summary)
    if no_serve:
        return
    from closedloop.cli.serve import serve_site

    queue_placebo_check(site.database.transaction)
    click.echo(f"\nNorthbank is at http://{host}:{port}/ (stop with Ctrl+C). Sign in as one of:\n")
    print_table(
        ["role", "name", "e-mail", "password"],
        [[a["role"], a["name"], a["email"], a["password"]] for a in demo_accounts(instance)],
    )
    serve_site(site, host=host, port=port)


def _print_summary(summary: dict[str, Any]) -> None:
    click.echo(
        f"{summary['contacts']:,} contacts of {summary['customers']:,} customers, "
        f"{summary['repeat_rate_7d']:.1%} followed by a repeat within 7 days "
        f"({summary['unidentified_share']:.1%} of contacts without a customer), "
        f"{summary['themes']} themes; built in {summary['seconds']} s."
    )
    print_table(
        ["action", "verdict", "avoided, 95 % range", "truth", "what"],
        [
            [
                a["key"],
                a["verdict"].replace("_", " "),
                f"{a['low']:,.0f} to {a['high']:,.0f}",
                a["truth"],
                a["title"],
            ]
            for a in summary["actions"]
        ],
    )
