"""A site on which it can be reckoned whether an action could be proven, and how the method does."""

from __future__ import annotations

from datetime import date

from sqlalchemy.orm import Session

from closedloop.models import Action, PlaceboCheck
from tests.factories.contacts import make_contact
from tests.factories.series import add_days, draw_counts, make_controls
from tests.factories.themes import make_action, make_theme

FIRST, LAST = date(2025, 8, 18), date(2026, 2, 2)
N_DAYS = (LAST - FIRST).days + 1


def make_site(session: Session, *, mean: float = 20.0, **values) -> Action:
    """Add an action on a theme among six that nothing happens to, with contacts to `LAST`."""
    theme = make_theme(session)
    counts = draw_counts(1, mean=mean, first_day=FIRST, n_days=N_DAYS)
    add_days(session, theme, FIRST, counts)
    make_controls(session, number=6, first_day=FIRST, n_days=N_DAYS)
    for day in (FIRST, LAST):
        make_contact(session, local_day=day, cluster=-1)
    return make_action(session, theme, **{"due_on": date(2026, 2, 20), **values})


def make_check(
    session: Session, *, n=312, false=9, sd_z=1.02, as_of=date(2026, 5, 11), version="2.0"
) -> PlaceboCheck:
    """Add a placebo check: 9 of 312 dates cried wolf."""
    row = PlaceboCheck(
        as_of=as_of,
        method_version=version,
        n_placebos=n,
        n_false=false,
        sd_z=sd_z,
        detail={"n_looks": 4 * n, "n_covered": round(3.8 * n), "looks": [], "prior_id": 0},
    )
    session.add(row)
    session.flush()
    return row
