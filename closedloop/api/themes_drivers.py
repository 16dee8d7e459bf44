"""Contact drivers over the API: the coarse reasons above themes, and what people decide."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from pydantic import Field
from sqlalchemy.orm import Session

from closedloop.api.auth import WRITE, api_actor, needs
from closedloop.api.blueprint import bp
from closedloop.api.cursors import read_id
from closedloop.api.schemas import Count, In, Key, Out, Page, Rate, Words
from closedloop.api.themes import NO_DRIVER
from closedloop.domain.contact_drivers import DriverState
from closedloop.domain.themes import ThemeStatus
from closedloop.extensions import current_settings, db
from closedloop.queries.contact_drivers import (
    DriverRow,
    find_driver,
    get_driver_page,
    list_drivers,
)
from closedloop.queries.driver_changes import list_driver_changes
from closedloop.queries.site import get_data_span
from closedloop.queries.theme_page import find_theme
from closedloop.services.contact_drivers import (
    DriverPreview,
    create_driver,
    merge_drivers,
    move_themes,
    preview_merge,
    preview_themes,
    rename_driver,
    restore_driver,
    retire_driver,
)
from closedloop.services.driver_proposals import propose_drivers
from closedloop.services.driver_undoing import undo_driver_change

DRIVERS = "/contact-drivers"
DRIVER = f"{DRIVERS}/<string(maxlength=20):key>"
_REFUSED = {
    404: "There is no such contact driver or theme.",
    409: "The contact driver is not, or no longer, where this can be done.",
}
MOST_THEMES = 1_000


class ThemeUnder(Out):
    """A theme in use under a contact driver; `contacts` is null below the fewest customers."""

    key: str
    name: str
    status: ThemeStatus
    contacts: int | None


class ContactDriverOut(Out):
    """A contact driver; figures sum up 90 days of the themes that may be shown."""

    key: str
    name: str
    named_by_person: bool
    as_of: date | None
    contacts: int | None
    share: Rate | None = Field(description="Of the contacts of all themes that may be shown.")
    change_4_weeks: float | None
    repeat_rate_same: Rate | None
    repeat_rate_any: Rate | None
    unidentified_share: Rate | None = Field(
        description="Contacts without a known customer; they enter no repeat rate."
    )
    themes: list[ThemeUnder]


class ContactDriverList(Out):
    """The contact drivers in use, most contacts first, and the themes under none."""

    items: list[ContactDriverOut]
    themes_without: list[ThemeUnder]


class DriverWeek(Out):
    """Contacts of a whole week; null where fewer than may be shown."""

    week_from: date
    contacts: int | None


class ContactDriverDetail(ContactDriverOut):
    """One contact driver, with its whole weeks, oldest first."""

    state: DriverState
    merged_into: str | None
    weeks: list[DriverWeek]


class DriverName(In):
    """What a contact driver is called."""

    name: Words


class DriverIn(DriverName):
    """A contact driver to be made, with themes that go under it."""

    themes: list[Key] = Field(default_factory=list, max_length=MOST_THEMES)
    expected_count: Count | None = Field(None, description="Themes that will move.")


class ThemesIn(In):
    """Themes that go under a contact driver."""

    themes: list[Key] = Field(min_length=1, max_length=MOST_THEMES)
    to: Key = Field(description="Key of the contact driver, or `none`.")
    expected_count: Count | None = Field(None, description="Themes that will move.")


class DriverMergeIn(In):
    """The contact driver that takes the themes of another one."""

    into: Key
    expected_count: Count | None = Field(None, description="Themes that will move.")


class ThemesAsked(In):
    """Themes that could go under a contact driver."""

    themes: list[Key] = Field(min_length=1, max_length=MOST_THEMES)
    to: Key = Field(description="Key of the contact driver, or `none`.")


class DriverMergeAsked(In):
    """The contact driver that could take the themes of another one."""

    into: Key


class ThemeMoved(Out):
    """A theme that would move; `contacts` is null below the fewest customers."""

    key: str
    name: str
    contact_driver: str | None = Field(description="Where it is now.")
    contacts: int | None


class DriverPreviewOut(Out):
    """What a change would move; nothing was changed."""

    themes: list[ThemeMoved]
    contacts: int = Field(description="Of the last 90 days, in the themes whose contacts are told.")
    left_empty: list[str] = Field(description="Contact drivers that no theme would be left in.")


class DriverProposal(Out):
    """What a proposal did, by key."""

    new_drivers: list[str]
    placed_themes: list[str]
    themes_without: list[str]
    retired_drivers: list[str]


class DriverChangeDone(Out):
    """A change that was made, and the number that takes it back."""

    change: int
    contact_driver: str | None
    themes: int


class DriverChangeOut(Out):
    """One change of contact drivers."""

    change: int
    kind: str
    contact_driver: str | None
    merged_into: str | None
    themes: int
    by: str
    at: datetime
    undone_by: str | None
    undone_at: datetime | None


class DriverChangeList(Out):
    """What people did to contact drivers, newest first."""

    items: list[DriverChangeOut]
    next: str | None


@bp.get(DRIVERS)
@bp.doc(summary="List contact drivers")
@bp.output(ContactDriverList)
@needs("themes.view")
def list_drivers_view() -> ContactDriverList:
    """Give the coarse reasons above themes; not the driver volumes that rates are held against."""
    found = list_drivers(db.session, k=current_settings().privacy_k)
    without = found.without.themes if found.without else ()
    return ContactDriverList(
        items=[ContactDriverOut(**_facts(row)) for row in found.rows],
        themes_without=_themes(without),
    )


@bp.get(f"{DRIVERS}/changes")
@bp.doc(summary="Changes of contact drivers")
@bp.input(Page, location="query", arg_name="asked")
@bp.output(DriverChangeList)
@needs("themes.view")
def list_driver_changes_view(asked: Page) -> DriverChangeList:
    """Give what people decided about contact drivers."""
    rows = list_driver_changes(db.session, before_id=read_id(asked.after), limit=asked.limit + 1)
    page = rows[: asked.limit]
    items = [
        DriverChangeOut(
            change=row.id,
            kind=row.kind.value,
            contact_driver=row.driver_key or None,
            merged_into=row.other_key or None,
            themes=row.themes,
            by=row.changed_by,
            at=row.changed_at,
            undone_by=row.undone_by or None,
            undone_at=row.undone_at,
        )
        for row in page
    ]
    more = str(page[-1].id) if len(rows) > asked.limit else None
    return DriverChangeList(items=items, next=more)


@bp.get(DRIVER)
@bp.doc(summary="One contact driver", responses={404: _REFUSED[404]})
@bp.output(ContactDriverDetail)
@needs("themes.view")
def get_driver_view(key: str) -> ContactDriverDetail:
    """Give one contact driver, its themes and its weeks."""
    return _detail(db.session, key)


def _detail(session: Session, key: str) -> ContactDriverDetail:
    first_day = get_data_span(session).first_day
    page = get_driver_page(session, key, k=current_settings().privacy_k, first_day=first_day)
    driver = page.driver
    weeks = page.trend.whole_weeks(current_settings().privacy_k) if page.trend else []
    return ContactDriverDetail(
        **_facts(page.row),
        state=driver.state,
        merged_into=driver.merged_into.key if driver.merged_into else None,
        weeks=[DriverWeek(week_from=monday, contacts=contacts) for monday, contacts in weeks],
    )


@bp.post(DRIVERS)
@bp.doc(summary="Make a contact driver", responses=_REFUSED)
@bp.input(DriverIn, location="json", arg_name="sent")
@bp.output(DriverChangeDone)
@needs("themes.curate", WRITE)
def create_driver_view(sent: DriverIn) -> DriverChangeDone:
    """Make a contact driver of one's own, and put themes under it."""
    return _change(
        create_driver,
        lambda session: {"name": sent.name, "theme_ids": _theme_ids(session, sent.themes)},
        typed_count=sent.expected_count,
    )


@bp.post(f"{DRIVERS}/proposals")
@bp.doc(summary="Propose contact drivers for themes without one")
@bp.output(DriverProposal)
@needs("themes.discover", WRITE)
def propose_drivers_view() -> DriverProposal:
    """Put themes without a contact driver under one; what has one stays where it is."""
    with db.transaction() as session:
        outcome = propose_drivers(session, settings=current_settings(), by=api_actor())
    return DriverProposal(
        new_drivers=outcome.born,
        placed_themes=outcome.placed,
        themes_without=outcome.left,
        retired_drivers=outcome.retired,
    )


@bp.post(f"{DRIVERS}/move/preview")
@bp.doc(summary="What putting themes under another contact driver would do", responses=_REFUSED)
@bp.input(ThemesAsked, location="json", arg_name="sent")
@bp.output(DriverPreviewOut)
@needs("themes.curate", WRITE)
def preview_move_to_driver_view(sent: ThemesAsked) -> DriverPreviewOut:
    """Give the themes that would move; nothing is changed."""
    to_id = None if sent.to == NO_DRIVER else find_driver(db.session, sent.to).id
    k, ids = current_settings().privacy_k, _theme_ids(db.session, sent.themes)
    return _preview(preview_themes(db.session, theme_ids=ids, to_id=to_id, k=k))


@bp.post(f"{DRIVER}/merge/preview")
@bp.doc(summary="What merging a contact driver would do", responses=_REFUSED)
@bp.input(DriverMergeAsked, location="json", arg_name="sent")
@bp.output(DriverPreviewOut)
@needs("themes.curate", WRITE)
def preview_merge_driver_view(key: str, sent: DriverMergeAsked) -> DriverPreviewOut:
    """Give the themes that would move; nothing is changed."""
    ids = {"driver_id": find_driver(db.session, key).id}
    ids["into_id"] = find_driver(db.session, sent.into).id
    return _preview(preview_merge(db.session, k=current_settings().privacy_k, **ids))


@bp.post(f"{DRIVERS}/move")
@bp.doc(summary="Put themes under another contact driver", responses=_REFUSED)
@bp.input(ThemesIn, location="json", arg_name="sent")
@bp.output(DriverChangeDone)
@needs("themes.curate", WRITE)
def move_themes_view(sent: ThemesIn) -> DriverChangeDone:
    """Move themes; no run moves them again."""

    def given(session: Any) -> dict[str, Any]:
        to_id = None if sent.to == NO_DRIVER else find_driver(session, sent.to).id
        return {"theme_ids": _theme_ids(session, sent.themes), "to_id": to_id}

    return _change(move_themes, given, typed_count=sent.expected_count)


@bp.patch(DRIVER)
@bp.doc(summary="Rename a contact driver", responses=_REFUSED)
@bp.input(DriverName, location="json", arg_name="sent")
@bp.output(ContactDriverDetail)
@needs("themes.curate", WRITE)
def rename_driver_view(key: str, sent: DriverName) -> ContactDriverDetail:
    """Give a contact driver the name people use; no run changes it."""
    with db.transaction() as session:
        driver_id = find_driver(session, key).id
        rename_driver(session, driver_id=driver_id, name=sent.name, by=api_actor())
        return _detail(session, key)


@bp.post(f"{DRIVER}/merge")
@bp.doc(summary="Merge a contact driver into another one", responses=_REFUSED)
@bp.input(DriverMergeIn, location="json", arg_name="sent")
@bp.output(DriverChangeDone)
@needs("themes.curate", WRITE)
def merge_driver_view(key: str, sent: DriverMergeIn) -> DriverChangeDone:
    """Move all themes of one contact driver to another one, now and in later runs."""

    def given(session: Any) -> dict[str, Any]:
        into_id = find_driver(session, sent.into).id
        return {"driver_id": find_driver(session, key).id, "into_id": into_id}

    return _change(merge_drivers, given, typed_count=sent.expected_count)


@bp.post(f"{DRIVER}/retire")
@bp.doc(summary="Retire a contact driver without themes", responses=_REFUSED)
@bp.output(DriverChangeDone)
@needs("themes.curate", WRITE)
def retire_driver_view(key: str) -> DriverChangeDone:
    """Take an empty contact driver out of use."""
    return _change(retire_driver, lambda session: {"driver_id": find_driver(session, key).id})


@bp.post(f"{DRIVER}/restore")
@bp.doc(summary="Restore a retired contact driver", responses=_REFUSED)
@bp.output(DriverChangeDone)
@needs("themes.curate", WRITE)
def restore_driver_view(key: str) -> DriverChangeDone:
    """Bring a retired contact driver back into use."""
    return _change(restore_driver, lambda session: {"driver_id": find_driver(session, key).id})


@bp.post(f"{DRIVERS}/changes/<int:change_id>/undo")
@bp.doc(summary="Take a change of contact drivers back", responses=_REFUSED)
@bp.output(DriverChangeDone)
@needs("themes.curate", WRITE)
def undo_driver_view(change_id: int) -> DriverChangeDone:
    """Put every theme and name back where the change found it."""
    return _change(undo_driver_change, lambda _session: {"change_id": change_id})


def _change(verb: Any, given: Any, **more: Any) -> DriverChangeDone:
    with db.transaction() as session:
        change = verb(session, by=api_actor(), **given(session), **more)
        key = change.driver.key if change.driver else None
        return DriverChangeDone(change=change.id, contact_driver=key, themes=change.themes)


def _preview(found: DriverPreview) -> DriverPreviewOut:
    return DriverPreviewOut(
        themes=[
            ThemeMoved(
                key=theme.key,
                name=theme.name,
                contact_driver=theme.from_key or None,
                contacts=theme.contacts,
            )
            for theme in found.themes
        ],
        contacts=found.contacts,
        left_empty=list(found.left_empty),
    )


def _theme_ids(session: Any, keys: Sequence[str]) -> list[int]:
    return [find_theme(session, key).id for key in dict.fromkeys(keys)]


def _facts(row: DriverRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "name": row.name,
        "named_by_person": row.is_named_by_person,
        "as_of": row.as_of,
        "contacts": row.contacts,
        "share": row.share,
        "change_4_weeks": row.change,
        "repeat_rate_same": row.repeat_same,
        "repeat_rate_any": row.repeat_any,
        "unidentified_share": row.unidentified_share,
        "themes": _themes(row.themes),
    }


def _themes(themes: Sequence[Any]) -> list[ThemeUnder]:
    return [
        ThemeUnder(
            key=theme.key,
            name=theme.name,
            status=theme.status,
            contacts=theme.figures.contacts if theme.figures else None,
        )
        for theme in themes
    ]
