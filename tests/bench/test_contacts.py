"""The proof of contacts measures what it says, at a size that takes seconds."""

from __future__ import annotations

import json

from click.testing import CliRunner

from closedloop.bench import contacts, pages
from closedloop.cli import main


def test_it_prints_a_table_with_every_bar_and_the_same_as_json(monkeypatch):
    monkeypatch.setitem(contacts.SIZES, "small", (3_000, 400))
    monkeypatch.setattr(pages, "TIMES", 1)

    result = CliRunner().invoke(main, ["bench", "contacts", "--small", "--database", "sqlite"])

    assert result.exit_code == 0, result.output
    table, _, written = result.stdout.partition("\n{")
    report = json.loads("{" + written)
    found = report["databases"]["sqlite"]
    assert found["repeats"]["agrees with pandas"] is True
    assert {page["status"] for page in found["pages"]} == {200}
    assert all(found[part]["import"] > 0 for part in ("import with text", "import without text"))
    whats = {bar["what"] for bar in report["bars"]}
    assert "import with text / redaction alone" in whats
    assert "repeats from nothing / bare window functions" in whats
    assert "20,000 late and new contacts, seconds" in table


def test_a_bar_that_is_missed_is_said_to_fail():
    missed = {
        "database": "sqlite", "what": "x", "value": 2.0, "bar": "at most 1", "holds": False
    }  # fmt: skip
    table = contacts.as_table({"size": "small", "databases": {}, "bars": [missed]})

    assert "FAILS  sqlite" in table
