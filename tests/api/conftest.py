"""Who asks in the tests of the API."""

from __future__ import annotations

import pytest

from closedloop.domain.accounts import Role
from tests.api.caller import Caller


@pytest.fixture
def api(page, session) -> Caller:
    """A program with the token of a CX manager."""
    return Caller(page, session, Role.CX_MANAGER)
