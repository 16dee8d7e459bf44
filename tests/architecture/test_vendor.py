"""Vendored files are the ones their README names, byte for byte."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parents[2] / "closedloop" / "static" / "vendor"


def documented_files() -> dict[str, dict[str, str]]:
    """Rows of the README's table, by file name."""
    table = [
        [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        for line in (VENDOR / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    ]
    heading, _rule, *rows = table
    return {row[0]: dict(zip(heading, row, strict=True)) for row in rows}


def test_every_vendored_file_has_the_sha256_of_its_row():
    for name, row in documented_files().items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == row["SHA-256"], name


def test_no_vendored_file_is_without_a_row_and_no_row_without_a_file():
    files = {p.name for p in VENDOR.iterdir() if p.is_file() and p.name != "README.md"}
    assert files == set(documented_files())


def test_every_row_names_a_licence_text_that_is_there():
    for name, row in documented_files().items():
        for text in row["licence text"].split(", "):
            assert (VENDOR / text).stat().st_size > 100, f"{name}: {text}"


def test_file_names_carry_the_version_of_their_row():
    for name, row in documented_files().items():
        assert row["version"] in name
        assert re.fullmatch(r"\d+\.\d+\.\d+", row["version"])
