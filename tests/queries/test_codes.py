"""Codes against themes, from the roll-up."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from closedloop.domain.errors import Invalid
from closedloop.domain.themes import ThemeStatus
from closedloop.queries.code_tables import MOST_LINES
from closedloop.queries.codes import find_code_matrix, get_code_matrix
from tests.factories.contacts import make_contact
from tests.factories.rollups import make_rollup
from tests.factories.themes import make_stats, make_theme
from tests.statements import count_statements

DAY = date(2026, 5, 11)
PERIOD = {"first_day": DAY - timedelta(days=89), "last_day": DAY}


def make_coded(session, name: str, customers: int = 100, status=ThemeStatus.TRIAGED, **codes):
    """Add a theme with contacts by code on one day; `_` stands for a space, `none` for no code."""
    theme = make_theme(session, status, name=name)
    make_stats(session, theme, customers=customers)
    for code, contacts in codes.items():
        written = "" if code == "none" else code.replace("_", " ")
        make_rollup(session, theme, DAY, contacts, disposition=written)
    return theme


@pytest.fixture
def confused(session):
    """Three themes with codes of their own, one of them often under another's; one code for all."""
    return [
        make_coded(session, "Card late", Card=400, Refund=9, General=80),
        make_coded(session, "Refund late", Card=12, Refund=300, General=70),
        make_coded(session, "Charged twice", Card=8, Refund=120, Charge=180, General=60),
        make_coded(session, "PIN forgotten", PIN=70, General=50, none=30),
    ]


def matrix_of(session, k: int = 5, **period):
    return get_code_matrix(session, k=k, **{**PERIOD, **period})


def line(matrix, key: str) -> dict[str, int | None]:
    row = next(row for row in matrix.rows if row.key == key)
    codes = [column.code for column in matrix.columns]
    return dict(zip(codes, [cell.contacts for cell in row.cells], strict=True))


def test_the_table_adds_the_roll_up_up_largest_first(session, confused):
    card, refund, charge, pin = confused
    make_rollup(session, card, DAY - timedelta(days=89), 30, disposition="Card")
    make_rollup(session, card, DAY - timedelta(days=90), 5000, disposition="Card")
    make_rollup(session, card, DAY, 20, disposition="Card", channel="chat")

    matrix = matrix_of(session)

    assert [row.key for row in matrix.rows] == [card.key, refund.key, charge.key, pin.key]
    assert [column.code for column in matrix.columns] == [
        "Card",
        "Refund",
        "General",
        "Charge",
        "PIN",
    ]
    assert line(matrix, card.key) == {
        "Card": 450,
        "Refund": 9,
        "General": 80,
        "Charge": 0,
        "PIN": 0,
    }
    assert matrix.rows[0].contacts == 539
    assert matrix.columns[0].contacts == 470
    assert matrix.rows[0].cells[0].share == pytest.approx(450 / 539)
    assert matrix.contacts == sum(column.contacts for column in matrix.columns)
    assert matrix.without_code == 30


def test_a_code_for_everything_and_a_theme_under_anothers_code_are_told_in_words(session, confused):
    _, refund, charge, pin = confused

    matrix = matrix_of(session)

    spread = [found for found in matrix.findings if found.kind == "spread"]
    assert (spread[0].code, spread[0].theme_id, spread[0].contacts) == ("General", None, 260)
    assert spread[0].reason.startswith("“General” hardly says why customers came: its 260 contacts")
    assert "4 equally large themes" in spread[0].reason
    general = next(column for column in matrix.columns if column.code == "General")
    assert general.reason == spread[0].reason
    of_pin = next(found for found in spread if found.key == pin.key)
    assert of_pin.reason.startswith(f"42\u00a0% of {pin.key} PIN forgotten (50 contacts)")
    (elsewhere,) = [found for found in matrix.findings if found.kind == "elsewhere"]
    assert (elsewhere.key, elsewhere.code, elsewhere.contacts) == (charge.key, "Refund", 120)
    assert f"usually means {refund.key} Refund late (70\u00a0% of the code)" in elsewhere.reason
    said = f"Were all themes but {refund.key} coded so equally often, it would have about"
    assert said in elsewhere.reason
    assert elsewhere.residual > 3
    assert elsewhere.q_value < 0.001
    row = next(row for row in matrix.rows if row.key == charge.key)
    cell = row.cells[[column.code for column in matrix.columns].index("Refund")]
    assert (cell.mark, cell.reason) == ("elsewhere", elsewhere.reason)


def test_cells_below_k_are_hidden_and_cannot_be_worked_out(session):
    first = make_coded(session, "First", A=40, B=3, C=60)
    second = make_coded(session, "Second", A=50, B=70, C=80)
    make_coded(session, "Third", A=90, B=65, C=95)

    matrix = matrix_of(session)

    assert line(matrix, first.key) == {"C": 60, "A": None, "B": None}
    assert line(matrix, second.key)["C"] == 80
    assert matrix.hides_any
    assert not matrix_of(session, k=3).hides_any


def test_themes_of_few_customers_are_put_together_with_others(session, confused):
    small = make_coded(session, "Private", customers=4, Secret=30, Card=6)
    make_coded(session, "Dismissed", status=ThemeStatus.RETIRED, Card=999)

    matrix = matrix_of(session)

    assert small.key not in {row.key for row in matrix.rows}
    others = matrix.rows[-1]
    assert (others.theme_id, others.others, others.contacts) == (None, 1, 36)
    cards = next(column for column in matrix.columns if column.code == "Card")
    assert cards.contacts == 426


def test_others_too_few_to_be_shown_take_the_smallest_line_with_them(session, confused):
    *_, pin = confused
    make_coded(session, "Rare", Card=4)

    matrix = matrix_of(session)

    others = matrix.rows[-1]
    assert pin.key not in {row.key for row in matrix.rows}
    assert (others.others, others.contacts) == (2, 124)


def test_the_largest_lines_stand_alone_and_the_rest_is_counted_together(session):
    for number in range(MOST_LINES + 3):
        make_coded(session, f"Theme {number}", **{f"code{number}": 100 - number, "all": 50})

    matrix = matrix_of(session)

    assert len(matrix.rows) == len(matrix.columns) == MOST_LINES + 1
    assert matrix.rows[-1].others == 3
    assert matrix.columns[-1].others == 4
    assert matrix.contacts == sum(150 - number for number in range(MOST_LINES + 3))
    assert {found.code for found in matrix.findings if found.kind == "spread"} == {"all"}


def test_nothing_is_said_of_cells_that_are_not_shown(session):
    big = [make_coded(session, f"T{n}", **{f"own{n}": 300 + n}) for n in range(MOST_LINES)]
    make_coded(session, "Beyond", own0=60, own30=40)

    matrix = matrix_of(session)

    assert {row.key for row in matrix.rows if row.key} == {theme.key for theme in big}
    assert matrix.findings == ()


def test_without_codes_the_table_is_empty(session):
    make_coded(session, "Uncoded", none=50)
    make_coded(session, "Hardly", Card=4)

    matrix = matrix_of(session)

    assert matrix.rows == matrix.columns == matrix.findings == ()
    assert matrix.without_code == 50


def test_few_contacts_without_a_code_are_not_counted_out(session, confused):
    assert matrix_of(session, k=31).without_code is None


def test_the_days_are_the_last_ninety_with_contacts_unless_said(session, confused):
    make_contact(session)  # 2 March 2026

    found = find_code_matrix(session, first_day=None, last_day=None, k=5)
    assert (found.first_day, found.last_day) == (date(2025, 12, 3), date(2026, 3, 2))
    asked = find_code_matrix(session, first_day=None, last_day=DAY, k=5)
    assert (asked.first_day, asked.last_day) == (PERIOD["first_day"], DAY)
    assert find_code_matrix(session, first_day=None, last_day=date.min, k=5).rows == ()
    with pytest.raises(Invalid, match="lies after"):
        find_code_matrix(session, first_day=DAY, last_day=DAY - timedelta(days=1), k=5)


def test_before_the_first_contact_there_is_no_table(session):
    assert find_code_matrix(session, first_day=None, last_day=None, k=5) is None


def test_two_statements_whatever_the_size(session, database, confused):
    session.commit()
    with database.reading() as reading, count_statements(database.engine) as seen:
        matrix_of(reading)

    assert len([one for one in seen if one.startswith("SELECT")]) == 2
    assert not any("FROM contacts" in one for one in seen)
