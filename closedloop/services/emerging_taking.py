"""Taking an emerging theme: a candidate with a definition of its own, and all history under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.clock import utc_now
from closedloop.domain.curation import check_typed_count
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.jobs import JobKind
from closedloop.domain.leftovers import rise_in_words
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactText,
    EmergingState,
    EmergingTheme,
    Job,
    Theme,
    ThemeChange,
)
from closedloop.models.curation import ChangeKind
from closedloop.services.assignment import (
    ASSIGNED,
    JOINED,
    OWNERS,
    labels_at_hand,
    write_owners,
)
from closedloop.services.audit import record_event
from closedloop.services.change_previews import ChangePreview, preview_contacts, say_unread
from closedloop.services.definitions import LabelThemes, ThemeMaker, own_maker, read_standing
from closedloop.services.describing import note_change
from closedloop.services.emerging import get_emerging_to_change, refuse_decided
from closedloop.services.emerging_plans import TakingPlan, find_joining, plan_taking
from closedloop.services.jobs import queue_job
from closedloop.services.kept_looks import look_once
from closedloop.services.labelling import TextLabels
from closedloop.services.long_work import Report, Transactions, tell_nobody
from closedloop.services.parts_trail import Trail, read_trail
from closedloop.services.proposals import Cluster, bear_candidate, put_in_force
from closedloop.services.remaking import remake_history

TAKEN = "emerging.taken"
_TO_DO = "take it"


@dataclass(frozen=True)
class TakenTheme:
    """What became of an emerging theme that was taken.

    Attributes
    ----------
    key : str
        Of the candidate.
    contacts : int
        That it holds now, of the whole history.
    from_other_themes : int
        Of these, that were in another theme: none, as long as the definitions that stood before
        claim first.
    """

    key: str
    contacts: int
    from_other_themes: int


def preview_taking(
    session: Session, *, emerging_id: int, k: int, maker: ThemeMaker | None = None
) -> ChangePreview:
    """Return which contacts would join an emerging theme, were it taken; changes nothing.

    What was found is kept until anything changes on the site.

    Parameters
    ----------
    emerging_id : int
    k : int
        Fewest customers that are told.
    maker : ThemeMaker, optional
        Tests pass a small one.

    Returns
    -------
    ChangePreview
        `chosen` are those it was seen by; the others are like them.

    Raises
    ------
    NotFound
    Conflict
        If it was decided on already, or nothing is left of it.
    """
    row = session.get(EmergingTheme, emerging_id)
    if row is None:
        raise NotFound("There is no such emerging theme.")
    refuse_decided(row)
    number = row.id
    # the nightly round renews what emerges without an event
    drawn = (row.seen_on, tuple(row.members))
    return look_once(
        session, ("emerging", number, k, *drawn), maker, lambda: _look(session, number, k, maker)
    )


def _look(session: Session, emerging_id: int, k: int, maker: ThemeMaker | None) -> ChangePreview:
    row = session.get_one(EmergingTheme, emerging_id)
    ids = find_joining(session, plan_taking(session, row, maker or own_maker()))
    seen = len(set(row.members) & set(ids))
    return preview_contacts(session, None, ids, seen, k, say_unread(session))


def queue_taking(
    session: Session,
    *,
    settings: Settings,
    emerging_id: int,
    by: Actor,
    typed_count: int | None = None,
    maker: ThemeMaker | None = None,
) -> Job:
    """Queue the job that makes a candidate of an emerging theme.

    Parameters
    ----------
    settings : Settings
    emerging_id : int
    by : Actor
    typed_count : int, optional
        Contacts that will join; asked for above `COUNT_TO_TYPE_ABOVE`. The job looks at it, too.
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    NotFound
    Invalid
        If the number is asked for and another one was typed.
    Conflict
        If it was taken or dismissed already, or nothing is left of it.
    """
    refuse_decided(get_emerging_to_change(session, emerging_id))
    preview = _look(session, emerging_id, settings.privacy_k, maker)
    check_typed_count(preview.contacts, typed_count, to_do=_TO_DO)
    arguments = {"emerging_id": emerging_id}
    if typed_count is not None:
        arguments["count"] = typed_count
    return queue_job(session, kind=JobKind.ASSIGN_THEMES, arguments=arguments, by=by)


def take_emerging(
    transactions: Transactions,
    *,
    settings: Settings,
    emerging_id: int,
    by: Actor,
    typed_count: int | None = None,
    report: Report = tell_nobody,
    maker: ThemeMaker | None = None,
) -> TakenTheme:
    """Make an emerging theme a candidate, and bring the whole history under its definition.

    The candidate counts as named by a person, so that no run takes it away again. A contact
    that another theme holds stays there, however surely the new one would claim it. It stands
    among the changes of the theme, from where it can be taken back.

    Parameters
    ----------
    transactions : Transactions
        Texts are labelled outside of any; one writes everything at the end.
    settings : Settings
    emerging_id : int
    by : Actor
    typed_count : int, optional
        Contacts that will join; asked for above `COUNT_TO_TYPE_ABOVE`.
    report : Report
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    NotFound
    Invalid
        If the number is asked for and another one was typed.
    Conflict
        If it was decided on already, its contacts are gone, contacts that came in since would
        join, too, or definitions kept changing.
    """
    maker = maker or own_maker()
    with transactions() as session:
        if done := _find_done(session, emerging_id, by):
            return done
        refuse_decided(get_emerging_to_change(session, emerging_id))

    def plan(session: Session) -> TakingPlan:
        row = get_emerging_to_change(session, emerging_id)
        refuse_decided(row)
        return plan_taking(session, row, maker)

    return remake_history(
        transactions,
        settings=settings,
        plan=plan,
        apply=lambda session, planned, texts: _apply(
            session, settings, emerging_id, planned, texts, typed_count, by
        ),
        doing="Bringing all contacts under the new theme",
        refusal="The themes kept changing while this ran. Take the emerging theme again.",
        by=by,
        report=report,
        maker=maker,
    )


def _find_done(session: Session, emerging_id: int, by: Actor) -> TakenTheme | None:
    """Return what the same asker got, when a worker died between that and saying so."""
    row = get_emerging_to_change(session, emerging_id)
    if row.state is not EmergingState.TAKEN or row.decided_by != by.name:
        return None
    theme = session.get_one(Theme, row.theme_id)
    event = session.scalars(
        sa.select(AuditEvent)
        .where(
            AuditEvent.verb == TAKEN,
            AuditEvent.target_kind == "theme",
            AuditEvent.target_id == theme.id,
        )
        .order_by(AuditEvent.id.desc())
        .limit(1)
    ).one()
    return TakenTheme(theme.key, event.detail["contacts"], event.detail["from_other_themes"])


def _apply(
    session: Session,
    settings: Settings,
    emerging_id: int,
    plan: TakingPlan,
    texts: TextLabels,
    typed_count: int | None,
    by: Actor,
) -> TakenTheme | None:
    """Write everything; None when the definitions changed since the plan was made."""
    if read_standing(session, lock=True).set_id != plan.set_id:
        return None
    row = get_emerging_to_change(session, emerging_id)
    refuse_decided(row)
    themes = {theme.id: theme for theme in session.scalars(sa.select(Theme))}
    cluster = Cluster(plan.label, row.name, [str(word) for word in row.keywords])
    theme = bear_candidate(session, None, cluster, themes, by)
    theme.is_named_by_person = True
    owners: LabelThemes = [*plan.owners, theme.id]
    stays = {number: number for number in range(plan.label)}
    trail = read_trail(session, before=plan.set_id, relabel=stays)
    with labels_at_hand(session, texts):
        write_owners(session, owners)
        from_others = _count_from_others(session, theme.id)
        new = put_in_force(
            session,
            settings=settings,
            model=plan.model.to_bytes(),
            encoder=plan.encoder,
            owners=owners,
            run_id=plan.run_id,
            reason=f"Emerging theme taken as {theme.key}",
            changed={theme.id: [plan.label]},
            relabel=stays,
        )
    taken = TakenTheme(theme.key, _count_held(session, theme.id), from_others)
    _check_count(taken.contacts, typed_count)
    _leave_trail(session, row, theme, plan, trail, taken.contacts, new.id, by)
    row.state, row.theme_id = EmergingState.TAKEN, theme.id
    row.decided_by, row.decided_at = by.name, utc_now()
    _record(session, settings, row, theme, taken, new.number, by)
    session.flush()
    return taken


def _count_from_others(session: Session, theme_id: int) -> int:
    """Count the contacts of other themes that the theme gets by the labels at hand."""
    moves = (
        sa.select(sa.func.count(Contact.theme_id))
        .select_from(Contact)
        .join(ContactText, ContactText.contact_id == Contact.id)
        .join(ASSIGNED, ASSIGNED.c.text_hash == ContactText.text_hash)
        .join(OWNERS, OWNERS.c.label == ASSIGNED.c.label)
        .where(JOINED, OWNERS.c.theme_id == theme_id)
    )
    return session.scalar(moves) or 0


def _count_held(session: Session, theme_id: int) -> int:
    query = sa.select(sa.func.count(Contact.id)).where(Contact.theme_id == theme_id)
    return session.scalar(query) or 0


def _check_count(contacts: int, typed_count: int | None) -> None:
    if typed_count is not None and typed_count != contacts:
        raise Conflict(
            f"{contacts:,} contacts would join by now, and {typed_count:,} were agreed to: "
            "contacts came in, or somebody moved some. Look at the list again, then take it."
        )
    check_typed_count(contacts, typed_count, to_do=_TO_DO)


def _leave_trail(
    session: Session,
    row: EmergingTheme,
    theme: Theme,
    plan: TakingPlan,
    trail: Trail,
    contacts: int,
    acceptance: int,
    by: Actor,
) -> ThemeChange:
    """Write down what takes it back: the theme is a part of its own that was accepted."""
    detail: dict[str, Any] = {
        **vars(trail),
        "emerging": row.id,
        "state": row.state.value,
        "run": None,
        "set_run": plan.run_id,
        "parts": [],
        "kinds": [],
        "labels": [plan.label],
        "old": [],
        "acceptance": acceptance,
        "pieces": [theme.id],
        "absorbed": [],
    }
    return note_change(
        session, theme=theme, kind=ChangeKind.PARTS, by=by, contacts=contacts, detail=detail
    )


def _record(
    session: Session,
    settings: Settings,
    row: EmergingTheme,
    theme: Theme,
    taken: TakenTheme,
    number: int,
    by: Actor,
) -> None:
    why = rise_in_words(row.customers, row.customers_before, k=settings.privacy_k)
    record_event(
        session,
        by=by,
        verb=TAKEN,
        target_kind="theme",
        target_id=theme.id,
        summary=f"took the emerging theme “{row.name}” as the candidate {theme.key}: {why}",
        detail={
            "emerging": row.id,
            "definition_set": number,
            "contacts": taken.contacts,
            "from_other_themes": taken.from_other_themes,
        },
    )
