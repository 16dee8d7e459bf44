"""Move contacts between themes, and split a theme by examples: previewed, kept, undoable."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from closedloop.config import Settings
from closedloop.domain.actions import OPEN_ACTIONS
from closedloop.domain.audit import Actor
from closedloop.domain.curation import check_name, check_typed_count
from closedloop.domain.errors import Invalid, InvalidTransition
from closedloop.domain.free_names import next_key
from closedloop.domain.themes import GONE_STATUSES
from closedloop.models import Action, Contact, Theme, ThemeChange, ThemeCorrection
from closedloop.models.curation import ChangeKind
from closedloop.services.bulk import among
from closedloop.services.change_previews import (
    ChangePreview,
    check_chosen,
    find_same_words,
    get_theme,
    get_themes,
    hashes_of,
    preview_contacts,
    record_change,
    say_measured,
)
from closedloop.services.definitions import (
    ThemeMaker,
    change_owners,
    get_theme_to_change,
    own_maker,
)
from closedloop.services.describing import note_change
from closedloop.services.membership import (
    find_loose,
    hold_corrections,
    settle_contacts,
    with_text,
)
from closedloop.services.repeats import take_turn
from closedloop.services.splitting import SplitPlan, leaving_contacts, plan_split, strangers_to
from closedloop.services.theme_stats import renew_stats_of_last_day


def preview_move(
    session: Session,
    *,
    theme_id: int | None,
    contact_ids: Collection[int],
    to_id: int | None,
    k: int,
) -> ChangePreview:
    """Return what moving contacts would do; changes nothing.

    Parameters
    ----------
    theme_id : int or None
        The theme they are in; None for contacts in no theme.
    contact_ids : collection of int
        At most `MOST_CHOSEN`. Contacts that say the very same words move along.
    to_id : int or None
        None says that they do not belong to the theme, and not where they belong.
    k : int
        Fewest customers that are told.

    Raises
    ------
    NotFound
    Invalid
        If nothing or too much was chosen, or a contact is not in the theme (any more).
    InvalidTransition
        If the other theme takes no contacts.
    """
    theme, to = get_themes(session, theme_id, to_id)
    chosen = check_chosen(session, theme, contact_ids, "contacts")
    _check_target(theme, to)
    ids = _elsewhere(session, find_same_words(session, chosen), to_id)
    actions = [theme_id] if to_id is None else [theme_id, to_id]
    return preview_contacts(session, theme, ids, len(chosen), k, say_measured(session, actions))


def move_contacts(
    session: Session,
    *,
    settings: Settings,
    theme_id: int | None,
    contact_ids: Collection[int],
    to_id: int | None,
    by: Actor,
    typed_count: int | None = None,
) -> ThemeChange:
    """Say of contacts that they belong to another theme, or not to this one.

    What is said stands above the definitions in every later round and run, for contacts that
    say the very same words, too. Chains, roll-up and figures are renewed in the same transaction.

    Parameters
    ----------
    settings : Settings
    theme_id, contact_ids, to_id
        As for `preview_move`.
    by : Actor
    typed_count : int, optional
        Asked for when more than `COUNT_TO_TYPE_ABOVE` contacts move.

    Raises
    ------
    NotFound
    Invalid
    InvalidTransition
    """
    take_turn(session)
    preview = preview_move(
        session,
        theme_id=theme_id,
        contact_ids=contact_ids,
        to_id=to_id,
        k=settings.privacy_k,
    )
    check_typed_count(preview.contacts, typed_count, to_do="move them")
    theme, to = get_themes(session, theme_id, to_id, lock=True)
    first = theme if theme is not None else get_theme(session, to_id or 0)
    loose = find_loose(session, preview.ids)
    change = note_change(
        session,
        theme=first,
        kind=ChangeKind.MOVE,
        by=by,
        contacts=preview.contacts,
        other=to if theme is not None else None,
        detail={"from": theme_id, "to": to_id, "chosen": preview.chosen, "loose": loose},
    )
    said = [(theme, False), (to, True)]
    correct(session, change, preview.ids, [(one, b) for one, b in said if one is not None])
    settle_contacts(session, settings=settings, ids=preview.ids)
    words = f"{preview.contacts:,} {'contact' if preview.contacts == 1 else 'contacts'}"
    came = f" out of {theme.key} {theme.name}" if theme else ""
    went = f" to {to.key} {to.name}" if to else ", to no theme yet"
    for one in filter(None, (theme, to)):
        record_change(
            session, by, one, "themes.contacts_moved", f"moved {words}{came}{went}", change
        )
    renew_stats_of_last_day(session)
    return change


def _elsewhere(session: Session, ids: Sequence[int], theme_id: int | None) -> list[int]:
    """Return those of the contacts that are anywhere but in the theme; None is "in no theme"."""
    these = among(session, Contact.id, ids)
    query = sa.select(Contact.id).where(these, Contact.theme_id.is_distinct_from(theme_id))
    return list(session.scalars(query))


def correct(
    session: Session,
    change: ThemeChange,
    contact_ids: Sequence[int],
    said: Sequence[tuple[Theme, bool]],
) -> None:
    """Write down what somebody said about contacts, a row for each contact and theme."""
    hashes = hashes_of(session, contact_ids)
    rows = [
        {
            "theme_id": theme.id,
            "contact_id": contact,
            "text_hash": hashes.get(contact, ""),
            "belongs": belongs,
            "change_id": change.id,
            "said_by": change.changed_by,
            "said_at": change.changed_at,
        }
        for theme, belongs in said
        for contact in sorted(contact_ids)
    ]
    if rows:
        session.execute(sa.insert(ThemeCorrection), rows)


@dataclass(frozen=True)
class SplitPreview(ChangePreview):
    """What a split would do; `chosen` are the examples, which always leave."""


def preview_split(
    session: Session,
    *,
    theme_id: int,
    contact_ids: Collection[int],
    k: int,
    maker: ThemeMaker | None = None,
) -> SplitPreview:
    """Return which contacts are like the examples and would leave a theme; changes nothing.

    Parameters
    ----------
    theme_id : int
    contact_ids : collection of int
        Contacts of the theme, picked as examples.
    k : int
        Fewest customers that are told.
    maker : ThemeMaker, optional
        Tests pass a small one.

    Raises
    ------
    NotFound
    Invalid
        If no example was picked or is in the theme, or nothing would stay.
    InvalidTransition
        If the theme is merged or retired.
    Conflict
        If the theme has no definition of its own.
    """
    theme = get_theme(session, theme_id)
    return _plan(session, theme, contact_ids, k, maker)[0]


def _plan(
    session: Session,
    theme: Theme,
    contact_ids: Collection[int],
    k: int,
    maker: ThemeMaker | None,
) -> tuple[SplitPreview, SplitPlan, list[int]]:
    """Return the preview, the plan, and the examples with all that say their words."""
    _check_in_use(theme)
    chosen = check_chosen(session, theme, contact_ids, "examples")
    plan = plan_split(session, theme=theme, contact_ids=chosen, maker=maker or own_maker())
    examples = find_same_words(session, chosen)
    ids = {*leaving_contacts(session, plan, theme), *examples}
    notes = say_measured(session, [theme.id]) + _staying(session, theme)
    found = preview_contacts(session, theme, ids, len(chosen), k, notes)
    return SplitPreview(**vars(found)), plan, examples


def split_theme(
    session: Session,
    *,
    settings: Settings,
    theme_id: int,
    contact_ids: Collection[int],
    name: str,
    by: Actor,
    typed_count: int | None = None,
    maker: ThemeMaker | None = None,
) -> ThemeChange:
    """Make a theme of its own out of what is like the examples; it waits for triage.

    A new definition set knows both parts, so that contacts that come later go where they are
    like. All else about the old theme stays, its actions too.

    Parameters
    ----------
    settings : Settings
    theme_id, contact_ids, maker
        As for `preview_split`.
    name : str
        Of the new theme.
    by : Actor
    typed_count : int, optional
        Asked for when more than `COUNT_TO_TYPE_ABOVE` contacts leave.

    Returns
    -------
    ThemeChange
        `other` is the new theme.

    Raises
    ------
    NotFound
    Invalid
        Also if the new theme would hold fewer customers than may be described.
    InvalidTransition
    Conflict
    """
    name = check_name(name)
    take_turn(session)
    theme = get_theme_to_change(session, theme_id)
    k = settings.privacy_k
    preview, plan, examples = _plan(session, theme, contact_ids, k, maker)
    if preview.customers is None:
        sentence = (
            f"The new theme would hold fewer than {k} customers, and would describe people one "
            "could trace. Pick examples of something more customers say, or move the contacts."
        )
        raise Invalid(sentence, {"examples": sentence})
    check_typed_count(preview.contacts, typed_count, to_do="split them off")
    loose = find_loose(session, preview.ids)
    new = Theme(
        key=next_key("T", session.scalars(sa.select(Theme.key))),
        name=name,
        is_named_by_person=True,
        keywords=[],
        run_id=theme.run_id,
        driver_id=theme.driver_id,
    )
    session.add(new)
    session.flush()  # the change and the labels refer to its id
    change = note_change(
        session,
        theme=theme,
        kind=ChangeKind.SPLIT,
        by=by,
        contacts=preview.contacts,
        other=new,
        detail={
            "chosen": preview.chosen,
            "branches": [list(pair) for pair in plan.branches],
            "passed": plan.passed,
            "parts": len(plan.labels),
            "loose": loose,
        },
    )
    strangers = sorted(set(strangers_to(session, theme)) - set(examples))
    correct(session, change, examples, [(theme, False), (new, True)])
    correct(session, change, strangers, [(new, False)])
    _put_split_in_force(session, plan, theme, new)
    settle_contacts(session, settings=settings, ids=preview.ids)
    hold_corrections(session, settings=settings)
    summary = f"split {new.key} {new.name} off {theme.key} {theme.name}"
    for one in (theme, new):
        record_change(
            session, by, one, "themes.split", f"{summary}: {preview.contacts:,} contacts", change
        )
    renew_stats_of_last_day(session)
    return change


def _put_split_in_force(session: Session, plan: SplitPlan, theme: Theme, new: Theme) -> None:
    owners = list(plan.current.label_themes)
    owners += [None] * (plan.model.n_themes - len(owners))
    for label in plan.labels:
        owners[label] = new.id
    for source, label in plan.branches:
        session.execute(
            sa.update(Contact)
            .where(Contact.cluster == source, with_text(session, plan.leaving[label]))
            .values(cluster=label)
            .execution_options(synchronize_session=False)
        )
    change_owners(
        session,
        current=plan.current,
        owners=owners,
        changed=(theme.id, new.id),
        reason=f"{new.key} split off {theme.key}",
        model=plan.model.to_bytes(),
    )


def _check_target(theme: Theme | None, to: Theme | None) -> None:
    if theme is to:
        sentence = "Choose the theme they belong to, another one than they are in."
        raise Invalid(sentence, {"to": sentence})
    if to is not None and to.status in GONE_STATUSES:
        raise InvalidTransition(
            f"{to.key} is {to.status.value} and takes no contacts. Choose a theme in use."
        )


def _check_in_use(theme: Theme) -> None:
    if theme.status in GONE_STATUSES:
        raise InvalidTransition(f"{theme.key} is {theme.status.value}; there is nothing to split.")


def _staying(session: Session, theme: Theme) -> tuple[str, ...]:
    keys = session.scalars(
        sa.select(Action.key)
        .where(Action.theme_id == theme.id, Action.status.in_(OPEN_ACTIONS))
        .order_by(Action.id)
    ).all()
    if not keys:
        return ()
    return (f"What is being done about {theme.key} stays with it: {', '.join(keys)}.",)
