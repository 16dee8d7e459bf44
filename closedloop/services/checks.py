"""Checking by hand whether the contacts of a theme belong there: draw, answer, take back."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.errors import ChangedMeanwhile, Conflict, Invalid, NotFound
from closedloop.domain.themes import GONE_STATUSES, LARGEST_SAMPLE, SAMPLE_SIZE, SMALLEST_SAMPLE
from closedloop.models import Contact, ContactText, MembershipCheck, Theme
from closedloop.queries.checks import count_left, last_round
from closedloop.queries.theme_figures import figures_of
from closedloop.services.audit import record_event
from closedloop.services.bulk import in_portions
from closedloop.services.definitions import find_current_set, get_theme_to_change

IDS_AT_ONCE = 500


def draw_sample(
    session: Session,
    *,
    theme_id: int,
    settings: Settings,
    by: Actor,
    size: int = SAMPLE_SIZE,
    seed: int | None = None,
) -> int:
    """Draw contacts of a theme at random for a person to judge.

    Every contact of the theme that has a text is as likely as any other, and none is drawn
    twice in a round. The same seed on the same contacts draws the same ones.

    Parameters
    ----------
    session : Session
    theme_id : int
    settings : Settings
    by : Actor
    size : int
        `SMALLEST_SAMPLE` to `LARGEST_SAMPLE`; a theme with fewer contacts is drawn whole.
    seed : int, optional
        Made from theme and round where none is given.

    Returns
    -------
    int
        Number of the round, from 1.

    Raises
    ------
    NotFound
    Invalid
        If the size is out of bounds.
    Conflict
        If the theme is merged or dismissed, has too few customers or no text, or if the round
        before is not finished.
    """
    theme = get_theme_to_change(session, theme_id)
    if not SMALLEST_SAMPLE <= size <= LARGEST_SAMPLE:
        sentence = f"Draw {SMALLEST_SAMPLE} to {LARGEST_SAMPLE} contacts."
        raise Invalid(sentence, {"size": sentence})
    set_id = _check_can_draw(session, theme, settings.privacy_k)
    number = 1 + (session.scalar(last_round(theme_id)) or 0)
    seed = theme_id * 1_000 + number if seed is None else seed
    drawn = _draw(session, theme_id, size, seed)
    if not drawn:
        raise Conflict(f"No contact of {theme.key} has a text any more, so none can be judged.")
    _write_round(session, theme_id, number, set_id, drawn)
    record_event(
        session,
        by=by,
        verb="themes.sample_drawn",
        target_kind="theme",
        target_id=theme.id,
        summary=f"drew {len(drawn)} contacts of {theme.key} to check whether they belong",
        detail={"round": number, "seed": seed, "contacts": drawn},
    )
    session.flush()
    return number


def _check_can_draw(session: Session, theme: Theme, k: int) -> int:
    """Return the id of the definition set in force, or say why nothing can be drawn."""
    if theme.status in GONE_STATUSES:
        raise Conflict(f"{theme.key} is {theme.status.label} and holds no contacts to check.")
    if figures_of(theme.stats, k) is None:
        raise Conflict(
            f"{theme.key} has fewer than {k} customers in its figures so far, so what they said "
            "is not shown. Check it when there are more."
        )
    if left := count_left(session, theme.id):
        raise Conflict(
            f"The last round of {theme.key} still has {left} contacts to look at. Finish it "
            "first: drawing until a round looks good would measure nothing."
        )
    current = find_current_set(session)
    if current is None:
        raise Conflict("Themes have no definitions yet. Look for themes first.")
    return current.id


def _draw(session: Session, theme_id: int, size: int, seed: int) -> list[int]:
    """Return contacts with text in the order drawn.

    All are shuffled and then gone through, so only some texts need looking up however many
    contacts the theme has.
    """
    ids = session.scalars(
        sa.select(Contact.id).where(Contact.theme_id == theme_id).order_by(Contact.id)
    ).all()
    shuffled = np.random.default_rng(seed).permutation(np.array(ids, np.int64)).tolist()
    drawn: list[int] = []
    for part in in_portions(shuffled, IDS_AT_ONCE):
        with_text = set(
            session.scalars(
                sa.select(ContactText.contact_id).where(
                    ContactText.contact_id.in_(part), ContactText.issue_text != ""
                )
            )
        )
        drawn += [contact for contact in part if contact in with_text]
        if len(drawn) >= size:
            break
    return drawn[:size]


def _write_round(
    session: Session, theme_id: int, number: int, set_id: int, drawn: list[int]
) -> None:
    """Write the checks in the order drawn, which is the order they are asked in."""
    facts = {
        "theme_id": theme_id,
        "round": number,
        "definition_set_id": set_id,
        "drawn_at": utc_now(),
    }
    session.add_all(MembershipCheck(contact_id=contact, **facts) for contact in drawn)


def answer_check(
    session: Session, *, theme_id: int, contact_id: int, belongs: bool, by: Actor
) -> None:
    """Say whether a contact that was drawn belongs to its theme.

    It moves nothing: the answer measures the theme. The same answer twice changes nothing.

    Raises
    ------
    NotFound
        If the contact is not in the theme's last round.
    Conflict
        If somebody has answered otherwise.
    """
    theme = get_theme_to_change(session, theme_id)
    check = _find_check(session, theme, contact_id)
    if check.belongs is belongs:
        return
    if check.belongs is not None:
        raise ChangedMeanwhile(
            f"{check.checked_by} has answered this one otherwise meanwhile. Take that answer "
            "back first if it is wrong."
        )
    check.belongs, check.checked_by, check.checked_at = belongs, by.name, utc_now()
    did = f"found that a contact {'belongs' if belongs else 'does not belong'} to"
    _record(session, theme, check, "themes.membership_checked", did, by)


def take_back_answer(
    session: Session,
    *,
    theme_id: int,
    contact_id: int,
    seen: tuple[str, str] | None = None,
    by: Actor,
) -> None:
    """Undo an answer, so that the contact is asked about again.

    Parameters
    ----------
    seen : (str, str), optional
        "yes" or "no" and who answered it, as they stood on the page; nothing is held against
        who does not say.

    Raises
    ------
    ChangedMeanwhile
        If the contact has another answer by now.
    NotFound
        If the contact is not in the theme's last round, or has no answer.
    """
    theme = get_theme_to_change(session, theme_id)
    check = _find_check(session, theme, contact_id)
    if check.belongs is None:
        raise NotFound("That contact has no answer to take back.")
    stands = ("yes" if check.belongs else "no", check.checked_by)
    if seen not in (None, stands):
        raise ChangedMeanwhile(
            f"{check.checked_by} has answered this one anew since you opened the page, with "
            f"{stands[0]}. Nothing was taken back; look at that answer first."
        )
    check.belongs, check.checked_by, check.checked_at = None, "", None
    _record(session, theme, check, "themes.check_taken_back", "took back an answer about", by)


def _find_check(session: Session, theme: Theme, contact_id: int) -> MembershipCheck:
    check = session.scalar(
        sa.select(MembershipCheck).where(
            MembershipCheck.theme_id == theme.id,
            MembershipCheck.contact_id == contact_id,
            MembershipCheck.round == last_round(theme.id).scalar_subquery(),
        )
    )
    if check is None:
        raise NotFound(
            f"That contact is not among those drawn from {theme.key} last. Go on with the next one."
        )
    return check


def _record(
    session: Session, theme: Theme, check: MembershipCheck, verb: str, did: str, by: Actor
) -> None:
    """Put an answer down on the check itself: two dozen of them would fill a theme's history."""
    record_event(
        session,
        by=by,
        verb=verb,
        target_kind="check",
        target_id=check.id,
        summary=f"{did} {theme.key} {theme.name}",
        detail={"contact": check.contact_id, "round": check.round, "belongs": check.belongs},
    )
    session.flush()
