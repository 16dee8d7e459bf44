"""`closedloop encoders check`: try a sentence encoder before contacts are given to it."""

from __future__ import annotations

import dataclasses

import click

from closedloop.cli.options import json_option, print_json, print_table, speaks_plainly
from closedloop.services.encoders import EncoderCheck, check_encoder_named


@click.group("encoders")
def encoders() -> None:
    """Look at sentence encoders."""


@encoders.command("check")
@click.argument("name", default="default")
@json_option
@speaks_plainly
def check(name: str, as_json: bool) -> None:
    """Load the encoder NAME and say its size, its speed and the languages it understands.

    NAME is what CLOSEDLOOP_ENCODER takes: default, multilingual, onnx:FOLDER or
    sentence-transformers:MODEL.
    """
    found = check_encoder_named(name)
    if as_json:
        print_json({**dataclasses.asdict(found), "languages": found.languages})
        return
    _print(found)


def _print(found: EncoderCheck) -> None:
    click.echo(f"{found.name}: {found.dimensions} dimensions")
    click.echo(
        f"First vector after {found.load_seconds:.1f} s, then {found.texts_per_second:,.0f} texts "
        "of 20 words a second."
    )
    click.echo(f"{found.n_statements} statements in other languages, nearest to the English ones:")
    print_table(["language", "right"], [[code, n] for code, n in found.understood.items()])
    said = ", ".join(found.languages) or "none"
    click.echo(f"Understood beside English, as far as that tells: {said}.")
