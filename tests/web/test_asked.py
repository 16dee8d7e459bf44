"""What a request asks for."""

from __future__ import annotations

import pytest

from closedloop.web.asked import older_page


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
