"""The map of themes, and what a page of answers could take, over the API."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from closedloop.api.auth import needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import In, Number, Out, Rate
from closedloop.domain.themes import Quadrant
from closedloop.extensions import current_settings, db
from closedloop.queries.faq import MOST_THEMES, Answered, FaqCandidate, list_faq_candidates
from closedloop.queries.theme_map import Island, find_picture


class MapQuery(In):
    """Whether the points are wanted."""

    points: bool = Field(False, description="With a point for each contact drawn.")


class IslandOut(Out):
    """One theme of the map: centre and radius, and how many contacts were drawn.

    `xs` and `ys` are its points, null unless asked for; none says whose contact it is.
    """

    key: str
    name: str
    quadrant: Quadrant | None
    contacts: int
    drawn: int
    x: int
    y: int
    radius: int
    xs: list[int] | None
    ys: list[int] | None


class MapOut(Out):
    """The newest picture, largest theme first; days and numbers are null where none was drawn.

    `agreement` is the share of a contact's ten nearest that are of its theme, `faithfulness` the
    rank correlation of distances between themes here and of how unlike they are.
    """

    as_of: date | None
    definition_set: int | None
    is_current: bool = Field(description="Drawn under the definitions in force.")
    width: int
    height: int
    agreement: Rate | None
    faithfulness: Number | None
    hidden: int = Field(description="Themes of too few customers, which are left out.")
    items: list[IslandOut]


class FaqQuery(In):
    """How many candidates."""

    limit: Annotated[int, Field(ge=1, le=MOST_THEMES)] = 15


class AnsweredOut(Out):
    """A question that one contact answered, redacted."""

    question: str
    answer: str
    day: date
    channel: str
    csat: Number | None
    contact: int


class FaqOut(Out):
    """A theme that a page of answers could take.

    `asking` is the share of its newest texts that ask; `answered` so many customers at least
    were answered in one contact. Both are null of too few.
    """

    key: str
    name: str
    reasons: list[str]
    contacts: int
    asking: Rate | None
    answered: int | None
    exemplars: list[AnsweredOut]


class FaqList(Out):
    """Candidates, most contacts first."""

    items: list[FaqOut]


@bp.get("/themes/map")
@bp.doc(summary="The map of themes")
@bp.input(MapQuery, location="query", arg_name="asked")
@bp.output(MapOut)
@needs("themes.view")
def get_map_view(asked: MapQuery) -> MapOut:
    """Give where each theme lies in the picture of contacts."""
    picture = find_picture(db.session, k=current_settings().privacy_k)
    if picture is None:
        return MapOut(
            as_of=None,
            definition_set=None,
            is_current=False,
            width=0,
            height=0,
            agreement=None,
            faithfulness=None,
            hidden=0,
            items=[],
        )
    return MapOut(
        as_of=picture.as_of,
        definition_set=picture.set_number,
        is_current=picture.is_current,
        width=picture.width,
        height=picture.height,
        agreement=picture.agreement,
        faithfulness=picture.faithfulness,
        hidden=picture.hidden,
        items=[
            _island(island, xs if asked.points else None, ys if asked.points else None)
            for island, (xs, ys) in zip(picture.islands, picture.coordinates(), strict=True)
        ],
    )


def _island(island: Island, xs: list[int] | None, ys: list[int] | None) -> IslandOut:
    return IslandOut(
        key=island.key,
        name=island.name,
        quadrant=island.quadrant,
        contacts=island.figures.contacts,
        drawn=island.n,
        x=island.x,
        y=island.y,
        radius=island.r,
        xs=xs,
        ys=ys,
    )


@bp.get("/themes/faq")
@bp.doc(summary="Themes that a page of answers could take")
@bp.input(FaqQuery, location="query", arg_name="asked")
@bp.output(FaqList)
@needs("themes.view")
def list_faq_view(asked: FaqQuery) -> FaqList:
    """Give them with the questions that were answered best."""
    found = list_faq_candidates(db.session, k=current_settings().privacy_k, most=asked.limit)
    return FaqList(items=[_candidate(theme) for theme in found])


def _candidate(theme: FaqCandidate) -> FaqOut:
    return FaqOut(
        key=theme.key,
        name=theme.name,
        reasons=list(theme.reasons),
        contacts=theme.figures.contacts,
        asking=theme.asking,
        answered=theme.answered,
        exemplars=[_answered(said) for said in theme.exemplars],
    )


def _answered(said: Answered) -> AnsweredOut:
    return AnsweredOut(
        question=said.question,
        answer=said.answer,
        day=said.day,
        channel=said.channel,
        csat=said.csat,
        contact=said.contact_id,
    )
