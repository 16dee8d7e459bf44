"""The shell door: `closedloop …`. A command parses and calls a service."""

from __future__ import annotations

import importlib

import click

from closedloop import __version__

COMMANDS = {
    # what is typed: module, name in it, first sentence of its help
    "demo": (
        "demo",
        "demo",
        "Build a demonstration bank, run the whole loop on its year, and serve it.",
    ),
    "init": ("setup", "init", "Make or upgrade an instance: keys, database, first administrator."),
    "doctor": (
        "setup",
        "doctor",
        "Look at an instance and say what is not as it should be, and what to do.",
    ),
    "serve": (
        "serve",
        "serve",
        "Serve the site: pages here, jobs and the schedule in a child process.",
    ),
    "worker": (
        "serve",
        "worker",
        "Run jobs in this process until stopped; start as many as you like.",
    ),
    "scheduler": (
        "serve",
        "scheduler",
        "Keep the schedule in this process; of several, one leads and the others stand by.",
    ),
    "import": (
        "contacts",
        "import_contacts",
        "Take a file, an archive or a directory of contacts in.",
    ),
    "imports": (
        "imports",
        "imports",
        "See what was imported, take an import out again, read the watched folder.",
    ),
    "mappings": ("mappings", "mappings", "See and keep the mappings saved by name."),
    "customers": ("customers", "customers", "Make customers one who have several identifiers."),
    "drivers": (
        "drivers",
        "drivers",
        "Keep the daily volumes (orders, customers, bills) that contact rates are held against.",
    ),
    "erase": (
        "privacy",
        "erase",
        "Remove every trace of a customer: contacts, words, hashes, uploads.",
    ),
    "texts": ("privacy", "texts", "Look after what customers said."),
    "keys": ("privacy", "keys", "Look after the key that customers are hashed with."),
    "themes": (
        "themes",
        "themes",
        "Find themes in repeat contacts, and give contacts their themes.",
    ),
    "encoders": ("encoders", "encoders", "Look at sentence encoders."),
    "actions": ("actions", "actions", "Say what there is to say about actions."),
    "measure": (
        "impact",
        "measure",
        "Measure what shipped actions avoided, and watch for contacts that come back.",
    ),
    "impact": (
        "impact_site",
        "impact",
        "See what shipped actions did, and look after the measuring itself.",
    ),
    "report": (
        "reports",
        "report",
        "Print the executive report: what was shipped in a period, and what it did.",
    ),
    "bench": (
        "bench",
        "bench",
        "Measure what the product claims, against a named peer in the same run.",
    ),
    "jobs": ("jobs", "jobs", "See what the clock and people asked for, and run it now."),
    "users": ("users", "users", "See and change who may sign in."),
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
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"closedloop.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command is for without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, _, told) in COMMANDS.items()])


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="closedloop")
def main() -> None:
    """Make avoidable customer contacts go away, and prove it.

    Start with `closedloop demo` to look around, or with `closedloop init` for a site of your own.
    """
