from __future__ import annotations

from itertools import islice

import pytest

from closedloop.demo.centre import generate


@pytest.fixture(scope="session")
def centre():
    return generate(seed=7)


@pytest.fixture(scope="session")
def all_rows(centre):
    """Every row of the year, its turns left out to spare memory."""
    return [{**row, "turns": len(row["turns"])} for row in centre.rows()]


@pytest.fixture(scope="session")
def first_rows(centre):
    """The first rows, whole: about seven weeks."""
    return list(islice(centre.rows(), 6000))
