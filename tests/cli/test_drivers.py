"""Driver volumes at the command line: taken in once, replaced when they change, or refused."""

from __future__ import annotations

import json

import pytest

VOLUMES = (
    "day,driver,volume\n2026-03-01,orders,1200\n2026-03-02,orders,900.5\n2026-03-02,bills,40\n"
)


@pytest.fixture
def run(run_on_new):
    return run_on_new


@pytest.fixture
def bring(run, tmp_path):
    """Take in a file of these words."""
    path = tmp_path / "volumes.csv"

    def bring_file(text: str, *arguments: str, code: int = 0):
        path.write_text(text)
        return run("drivers", "import", str(path), *arguments, code=code)

    return bring_file


def known(run):
    return json.loads(run("drivers", "list", "--json").stdout)


def test_a_file_is_taken_in_and_the_same_again_changes_nothing(run, bring):
    assert bring(VOLUMES).stdout == "bills, orders: 3 days new, 0 replaced, 0 as before.\n"
    assert json.loads(bring(VOLUMES, "--json").stdout) == {
        "drivers": ["bills", "orders"],
        "added": 0,
        "changed": 0,
        "unchanged": 3,
    }
    assert known(run)[1] == {
        "driver": "orders",
        "days": 2,
        "first_day": "2026-03-01",
        "last_day": "2026-03-02",
        "volume": 2100.5,
    }


def test_another_volume_of_a_day_takes_the_place_of_the_first(run, bring):
    bring(VOLUMES)
    said = bring("2026-03-02,1000\n2026-03-03,1100\n", "--driver", "orders").stdout
    assert said == "orders: 1 day new, 1 replaced, 0 as before.\n"
    assert [row["volume"] for row in known(run)] == [40, 3300]


def test_one_bad_line_is_named_and_nothing_is_taken_in(run, bring):
    bad = bring(VOLUMES + "2026-03-03,orders,many\n", code=1)
    assert "Line 5: the volume “many” is no number from 0 up" in bad.stderr
    assert "Nothing was taken in" in bad.stderr
    assert known(run) == []


def test_a_file_that_does_not_say_what_its_volumes_are_of_is_refused(run, bring):
    assert "does not say what its volumes are of" in bring("2026-03-02,1000\n", code=1).stderr
    assert "No volumes yet" in run("drivers", "list").stdout


def test_a_file_larger_than_any_series_of_days_is_refused_unread(run, bring):
    assert "larger than 10 MB" in bring("x" * (10 * 1024 * 1024 + 1), code=1).stderr


def test_the_list_is_a_table(run, bring):
    bring(VOLUMES)
    line = next(x for x in run("drivers", "list").stdout.splitlines() if "orders" in x)
    assert line.split() == ["orders", "2", "2026-03-01", "2026-03-02", "2,100"]
