"""What comes next after each theme, over the API."""

from __future__ import annotations

from datetime import date

from pydantic import Field

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import In, Number, Out, Rate
from closedloop.extensions import current_settings, db
from closedloop.queries.followers import Follower, list_followers


class NextQuery(In):
    """Which pairs are wanted."""

    after: str = Field("", max_length=20, description="Key of the theme before, T-014.")
    all: bool = Field(False, description="Pairs that are no more than chance, too.")


class NextPair(Out):
    """How often one theme is the next contact of the same customer within 7 days."""

    theme: str
    name: str
    next_theme: str
    next_name: str
    contacts: int
    followed: int
    customers: int
    share: Rate
    lift: Number
    more_than_chance: bool


class NextList(Out):
    """Pairs of at least as many customers as may be shown; those that stand out first."""

    as_of: date | None
    unidentified_share: Rate | None = Field(
        description="Contacts of these days without a known customer; they are in no pair."
    )
    items: list[NextPair]


@bp.get("/themes/next")
@bp.doc(summary="Which theme follows which")
@bp.input(NextQuery, location="query", arg_name="asked")
@bp.output(NextList)
@needs("themes.view")
def list_next_view(asked: NextQuery) -> NextList:
    """Give pairs of themes; a theme after itself only with `all`."""
    found = list_followers(db.session, k=current_settings().privacy_k)
    rows = found.rows if asked.all else found.marked
    items = [_pair(row) for row in rows if asked.after in ("", row.key)]
    without = found.unidentified_share
    return NextList(as_of=found.as_of, unidentified_share=without, items=items)


def _pair(row: Follower) -> NextPair:
    return NextPair(
        theme=row.key,
        name=row.name,
        next_theme=row.next_key,
        next_name=row.next_name,
        contacts=row.contacts,
        followed=row.followed,
        customers=row.customers,
        share=row.probability,
        lift=row.lift,
        more_than_chance=row.is_more_than_chance,
    )
