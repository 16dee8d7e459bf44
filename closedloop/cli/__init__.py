"""The shell door: `closedloop …`. A command parses and calls a service."""

from __future__ import annotations

import importlib

import click

from closedloop import __version__

COMMANDS = {
    "demo": ("demo", "demo"),
    "init": ("setup", "init"),
    "doctor": ("setup", "doctor"),
    "serve": ("serve", "serve"),
    "worker": ("serve", "worker"),
    "scheduler": ("serve", "scheduler"),
    "import": ("contacts", "import_contacts"),
    "imports": ("imports", "imports"),
    "mappings": ("mappings", "mappings"),
    "customers": ("customers", "customers"),
    "drivers": ("drivers", "drivers"),
    "erase": ("privacy", "erase"),
    "texts": ("privacy", "texts"),
    "keys": ("privacy", "keys"),
    "themes": ("themes", "themes"),
    "encoders": ("encoders", "encoders"),
    "actions": ("actions", "actions"),
    "measure": ("impact", "measure"),
    "impact": ("impact_site", "impact"),
    "report": ("reports", "report"),
    "bench": ("bench", "bench"),
    "jobs": ("jobs", "jobs"),
    "users": ("users", "users"),
}


class _Lazy(click.Group):
    """Imports a command when it is asked for, so that `--help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"closedloop.cli.{module}"), name)
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="closedloop")
def main() -> None:
    """Make avoidable customer contacts go away, and prove it.

    Start with `closedloop demo` to look around, or with `closedloop init` for a site of your own.
    """
