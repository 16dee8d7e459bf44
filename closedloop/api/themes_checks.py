"""Checking over the API whether contacts belong to a theme: draw, answer, precision."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field
from sqlalchemy.orm import Session

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.schemas import In, Out, PrecisionOut
from closedloop.api.themes import precision_out
from closedloop.api.themes_curation import THEME
from closedloop.domain.themes import LARGEST_SAMPLE, SAMPLE_SIZE, SMALLEST_SAMPLE
from closedloop.extensions import current_settings, db
from closedloop.queries.checks import Question, Round, find_round, get_precisions
from closedloop.queries.theme_figures import figures_of
from closedloop.queries.theme_page import find_theme
from closedloop.services.checks import answer_check, draw_sample, take_back_answer

_CONTACT = f"{THEME}/checks/<int(max=9223372036854775807):contact_id>"
_MISSING = {404: "There is no such theme, or the contact is not in its last round."}


class DrawIn(In):
    """How many contacts to draw."""

    size: Annotated[int, Field(strict=True, ge=SMALLEST_SAMPLE, le=LARGEST_SAMPLE)] = SAMPLE_SIZE


class AnswerIn(In):
    """Whether the contact belongs to the theme."""

    belongs: Annotated[bool, Field(strict=True)]


class QuestionOut(Out):
    """The next contact to judge, redacted."""

    contact: int
    text: str
    day: date
    channel: str
    disposition: str


class RoundOut(Out):
    """Where the last round stands.

    `passed_by` have no answer, but no text any more, or another theme; `strays` do not belong,
    by the answers, and are in the theme still.
    """

    number: int
    drawn: int
    left: int
    passed_by: int
    question: QuestionOut | None
    strays: list[int]


class ChecksOut(Out):
    """Precision and round of a theme; both null before the first check or of too few customers."""

    theme: str
    is_hidden: bool = Field(description="Too few customers to show what they said.")
    precision: PrecisionOut | None
    round: RoundOut | None


@bp.get(f"{THEME}/checks")
@bp.doc(summary="How precise a theme is, and the next contact to judge", responses=_MISSING)
@bp.output(ChecksOut)
@needs("themes.curate")
def get_checks_view(key: str) -> ChecksOut:
    """Give the measured precision with its range, and the next contact of the round."""
    return _checks(db.session, key)


@bp.post(f"{THEME}/checks")
@bp.doc(
    summary="Draw contacts of a theme at random",
    responses={**_MISSING, 409: "The round before is not finished, or there is nothing to draw."},
)
@bp.input(DrawIn, location="json", arg_name="sent")
@bp.output(ChecksOut, status_code=201)
@needs("themes.curate", WRITE)
def draw_view(key: str, sent: DrawIn) -> tuple[ChecksOut, int]:
    """Begin a round; each contact with a text is as likely as any other."""
    with db.transaction() as session:
        draw_sample(
            session,
            theme_id=find_theme(session, key).id,
            settings=current_settings(),
            by=api_actor(),
            size=sent.size,
        )
        return _checks(session, key), 201


@bp.post(_CONTACT)
@bp.doc(
    summary="Say whether a contact belongs",
    responses={**_MISSING, 409: "Somebody answered otherwise."},
)
@bp.input(AnswerIn, location="json", arg_name="sent")
@bp.output(ChecksOut)
@needs("themes.curate", WRITE)
def answer_view(key: str, contact_id: int, sent: AnswerIn) -> ChecksOut:
    """Take the answer down and give the next contact; nothing is moved."""
    with db.transaction() as session:
        answer_check(
            session,
            theme_id=find_theme(session, key).id,
            contact_id=contact_id,
            belongs=sent.belongs,
            by=api_actor(),
        )
        return _checks(session, key)


@bp.post(f"{_CONTACT}/take-back")
@bp.doc(summary="Take an answer back", responses=_MISSING)
@bp.output(ChecksOut)
@needs("themes.curate", WRITE)
def take_back_answer_view(key: str, contact_id: int) -> ChecksOut:
    """Let the contact be asked about again."""
    with db.transaction() as session:
        theme = find_theme(session, key)
        take_back_answer(session, theme_id=theme.id, contact_id=contact_id, by=api_actor())
        return _checks(session, key)


def _checks(session: Session, key: str) -> ChecksOut:
    theme = find_theme(session, key)
    if figures_of(theme.stats, current_settings().privacy_k) is None:
        return ChecksOut(theme=theme.key, is_hidden=True, precision=None, round=None)
    precision = get_precisions(session, [theme.id]).get(theme.id)
    found = find_round(session, theme.id)
    return ChecksOut(
        theme=theme.key,
        is_hidden=False,
        precision=precision_out(precision),
        round=_round(found) if found else None,
    )


def _round(found: Round) -> RoundOut:
    return RoundOut(
        number=found.number,
        drawn=found.drawn,
        left=found.left,
        passed_by=found.passed_by,
        question=_question(found.question) if found.question else None,
        strays=list(found.strays),
    )


def _question(found: Question) -> QuestionOut:
    return QuestionOut(
        contact=found.contact_id,
        text=found.text,
        day=found.day,
        channel=found.channel,
        disposition=found.disposition,
    )
