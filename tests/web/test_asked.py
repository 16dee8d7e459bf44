"""What a request asks for."""

from __future__ import annotations

from datetime import date

import pytest

from closedloop.web.asked import older_page, read_day_cursor, short_number, write_day_cursor


@pytest.mark.parametrize(
    ("address", "rows", "older", "is_first"),
    [
        ("/", [7, 6, 5], 5, True),
        ("/?before=5", [4, 3, 2], 2, False),
        ("/?before=4", [3, 2, 1], None, False),
        ("/?before=1", [7, 6, 5], 5, True),
        ("/?before=x", [7, 6, 5], 5, True),
    ],
)
def test_a_list_goes_on_before_the_last_row_shown(app, address, rows, older, is_first):
    def read(*, before_id, limit):
        return [n for n in range(7, 0, -1) if before_id is None or n < before_id][:limit]

    with app.test_request_context(address):
        page = older_page(read, 3, int)

    assert page == {"rows": rows, "older": older, "is_first": is_first}


def test_a_place_in_a_list_by_day_is_read_as_it_was_written():
    place = (date(2026, 3, 31), 7)

    assert write_day_cursor(*place) == "2026-03-31.7"
    assert read_day_cursor("2026-03-31.7") == place
    for nonsense in ("", "2026-02-30.7", "2026-03-31", "2026-03-31.x", "2026-03-31.1234567890"):
        assert read_day_cursor(nonsense) is None, nonsense


def test_a_short_number_is_nine_digits_at_most():
    assert short_number("123456789") == 123_456_789
    for nonsense in ("", "-1", "1234567890", "²", "1.0"):
        assert short_number(nonsense) is None, nonsense
