"""`closedloop bench NAME`: proofs with peers in the same run, as a table and as JSON."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import click

from closedloop.cli.options import OUT_FILE, Number

small_option = click.option("--small", is_flag=True, help="Minutes instead of an hour.")
json_option = click.option(
    "--json",
    "to",
    type=OUT_FILE,
    help="Write the JSON there instead of below the table.",
)


@click.group()
def bench() -> None:
    """Measure what the product claims, against a named peer in the same run."""


@bench.command()
@small_option
@json_option
@click.option(
    "--database",
    "databases",
    type=click.Choice(["sqlite", "postgresql"]),
    multiple=True,
    help="Measure on this one only; may be given twice.  [default: both]",
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(["imports", "repeats", "pages"]),
    multiple=True,
    help="Measure this part only; may be given twice.  [default: all that is not kept]",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep each loaded database there, with what was found, and go on from it next time.",
)
def contacts(
    small: bool,
    to: Path | None,
    databases: tuple[str, ...],
    parts: tuple[str, ...],
    keep: Path | None,
) -> None:
    """Imports, repeats, roll-ups and pages at millions of contacts."""
    proof = importlib.import_module("closedloop.bench.contacts")
    try:
        report = proof.run(small=small, databases=databases, parts=parts, keep=keep, tell=_tell)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    _show(proof, report, to)


@bench.command()
@small_option
@json_option
@click.option(
    "--narratives",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with complaints as CSV, to count false marks in.",
)
@click.option("--without-peer", is_flag=True, help="Do not install presidio to compare with.")
def redaction(small: bool, to: Path | None, narratives: Path | None, without_peer: bool) -> None:
    """Recall, precision, false marks and speed of redaction."""
    proof = importlib.import_module("closedloop.bench.redaction")
    report = proof.run(small, narratives=narratives, with_peer=not without_peer)
    _show(proof, report, to)


@bench.command()
@small_option
@json_option
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with the public sets; without it a made-up set is measured.",
)
@click.option("--only", multiple=True, help="Sets whose name begins so; may be given twice.")
@click.option("--without-peers", is_flag=True, help="Do not install peers to compare with.")
@click.option("--scale", is_flag=True, help="Also theme a million made-up contacts.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep there what each method found in each set, and go on from it next time.",
)
def themes(
    small: bool,
    to: Path | None,
    data: Path | None,
    only: tuple[str, ...],
    without_peers: bool,
    scale: bool,
    keep: Path | None,
) -> None:
    """How good, stable, well named and fast the themes are."""
    proof = importlib.import_module("closedloop.bench.themes")
    report = proof.run(
        data=data,
        small=small,
        only=only,
        with_peers=not without_peers,
        scale=scale,
        keep=keep,
        tell=_tell,
    )
    _show(proof, report, to)


@bench.command()
@small_option
@json_option
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    required=True,
    help="Directory with the folder multidogo.",
)
def sentences(small: bool, to: Path | None, data: Path) -> None:
    """What of a conversation should be embedded."""
    proof = importlib.import_module("closedloop.bench.sentences")
    try:
        report = proof.run(data=data, small=small, tell=_tell)
    except FileNotFoundError as missing:
        raise click.ClickException(str(missing)) from missing
    _show(proof, report, to)


@bench.command("themes-year")
@small_option
@json_option
def themes_year(small: bool, to: Path | None) -> None:
    """Whether numbers, names and decisions last a year of monthly runs and drifting words."""
    proof = importlib.import_module("closedloop.bench.theme_year")
    _show(proof, proof.run(small=small, tell=_tell), to)


@bench.command()
@click.option(
    "--size",
    type=click.Choice(["quick", "full"]),
    default="quick",
    show_default=True,
    help="About three minutes on two cores, or about an hour.",
)
@json_option
@click.option(
    "--part",
    "parts",
    type=click.Choice(
        [
            "accuracy",
            "rollout",
            "peak",
            "contaminated",
            "displaced",
            "many",
            "comeback",
            "peers",
            "speed",
            "demo",
            "real",
        ]
    ),
    multiple=True,
    help="Measure this part only; may be given twice.  [default: all]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory with the folders seatbelts and bank_calls_5min, for the real series.",
)
@click.option("--without-peers", is_flag=True, help="Do not install other methods to compare with.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep what was measured there, and go on from it next time.",
)
@click.option(
    "--processes",
    type=Number(most=1_000),
    default=2,
    show_default=True,
    help="Processes that measure side by side.",
)
@click.option(
    "--seeds",
    type=Number(most=10_000),
    default=20,
    show_default=True,
    help="Demo years that the part demo makes, from seed 1 on.",
)
def impact(
    size: str,
    to: Path | None,
    parts: tuple[str, ...],
    data: Path | None,
    without_peers: bool,
    keep: Path | None,
    processes: int,
    seeds: int,
) -> None:
    """False claims, coverage, power and speed of the impact numbers, beside other methods."""
    proof = importlib.import_module("closedloop.bench.impact")
    report = proof.run(
        size=size,
        parts=parts,
        data=data,
        with_peers=not without_peers,
        keep=keep,
        processes=processes,
        seeds=seeds,
        tell=_tell,
    )
    _show(proof, report, to)


def _tell(doing: str) -> None:
    click.echo(doing, err=True)


def _show(proof: Any, report: dict[str, Any], to: Path | None) -> None:
    click.echo(proof.as_table(report))
    written = json.dumps(report, indent=2, ensure_ascii=False)
    if to is None:
        click.echo(f"\n{written}")
        return
    to.write_text(written + "\n", encoding="utf-8")
    click.echo(f"JSON is in {to}.", err=True)
