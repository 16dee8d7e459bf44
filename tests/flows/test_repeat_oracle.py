"""Random histories, told in any order and changed in every way, against counting by hand.

What was kept up to date import by import, working everything out afresh, and a brute-force count
must agree to the last figure, on both databases.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from closedloop.adapters.mapping import Mapping
from closedloop.domain.contacts import WINDOWS
from closedloop.domain.errors import Conflict, NotFound
from closedloop.domain.identities import IdentifierKind, MatchRules
from closedloop.models import (
    Contact,
    ContactLink,
    DailyRollup,
    DailySlice,
    DueDay,
    LinkRun,
    Model,
)
from closedloop.services.contacts import import_file
from closedloop.services.erasure import erase_customer
from closedloop.services.identities import link_customers, undo_link_run
from closedloop.services.repeats import chain_contacts, mark_due
from closedloop.services.rollback import begin_roll_back, roll_back_import
from closedloop.services.rollups import roll_up_days, roll_up_due
from tests.factories.themes import make_theme

DAY = 86_400
START = datetime(2026, 3, 20, 12, tzinfo=UTC)  # the clocks go forward on the 29th
COLUMNS = (
    *("contact_id", "started_at", "customer_id", "channel", "handle_seconds"),
    "follows_contact_id",
)
MAPPING = Mapping({name: name for name in COLUMNS})
CUSTOMERS = ("ann", "bob", "cleo", "")
EDGES = sorted({w.seconds + d for w in WINDOWS for d in (-1, 0, 1)} | {0, 1, 3600, DAY // 2})

offsets = st.sampled_from(EDGES) | st.integers(0, 40 * DAY)
rows = st.tuples(
    st.integers(0, 11),  # number of the contact: the same one may come again, also changed
    offsets,
    st.sampled_from(CUSTOMERS),
    st.sampled_from(("phone", "chat")),
    st.sampled_from((0, 2, -5)),  # hours from UTC that the time is written in
    # what it follows: a contact that may come later or be of somebody else, or one never told
    st.sampled_from(("", "", "", "c0", "c1", "c2", "c5", "elsewhere")),
)
steps = st.one_of(
    st.tuples(st.just("import"), st.lists(rows, min_size=1, max_size=6)),
    st.tuples(st.just("theme"), st.integers(0, 11), st.integers(0, 2)),
    st.tuples(st.just("link"), st.sampled_from(CUSTOMERS[:3]), st.sampled_from(CUSTOMERS[:3])),
    st.tuples(st.just("part"), st.integers(0, 2)),
    st.tuples(st.just("erase"), st.sampled_from(CUSTOMERS[:3])),
    st.tuples(st.just("roll back"), st.integers(0, 5)),
)
TWO_DAYS = [  # the clocks go forward in the second night
    (0, 8 * DAY, "ann", "phone", 0, ""),
    (1, 8 * DAY + DAY // 2, "bob", "chat", 2, "c0"),
    (2, 9 * DAY + 1, "bob", "phone", -5, "c0"),
    (3, 9 * DAY + DAY // 2 - 3600, "ann", "chat", 0, "c1"),
    (4, 9 * DAY, "", "chat", 0, "c1"),
]
LINKED = [("import", TWO_DAYS), ("theme", 0, 0), ("theme", 4, 0), ("link", "ann", "bob")]
PARTED = [*LINKED, ("part", 0)]
thorough = settings(
    max_examples=int(os.environ.get("CLOSEDLOOP_ORACLE_EXAMPLES", "15")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Site:
    """A site on which steps are taken."""

    def __init__(self, database, site_settings, actor, directory: Path) -> None:
        self.database, self.settings, self.actor = database, site_settings, actor
        self.directory = directory
        self.batches: list[int] = []
        self.themes: list[int] = []

    def begin(self) -> None:
        self.batches.clear()
        with self.database.transaction() as session:
            for table in reversed(Model.metadata.sorted_tables):
                if table.name not in ("audit_events", "impact_measurements"):
                    session.execute(sa.delete(table))
            self.themes = [make_theme(session).id for _ in range(2)]

    def take(self, step: tuple) -> None:
        kind, *rest = step
        {
            "import": self.take_in, "theme": self.set_theme, "link": self.link,
            "part": self.part, "erase": self.erase, "roll back": self.roll_back,
        }[kind](*rest)  # fmt: skip

    def take_in(self, told: list[tuple]) -> None:
        path = self.directory / f"told{len(self.batches)}.csv"
        with path.open("w", newline="", encoding="utf-8") as sink:
            writer = csv.writer(sink)
            writer.writerow(COLUMNS)
            for number, offset, customer, channel, hours, follows in told:
                zone = timezone(timedelta(hours=hours))
                at = (START + timedelta(seconds=offset)).astimezone(zone)
                name = f"c{number}"
                follows = "" if follows == name else follows
                writer.writerow([name, at.isoformat(), customer, channel, 60 + number, follows])
        batch = import_file(
            self.database.transaction, settings=self.settings, path=path, mapping=MAPPING,
            source="told", file_name=path.name, by=self.actor,
        )  # fmt: skip
        self.batches.append(batch.id)

    def set_theme(self, number: int, theme: int) -> None:
        with self.database.transaction() as session:
            contact = session.scalar(
                sa.select(Contact).where(Contact.source_contact_id == f"c{number}")
            )
            if contact is not None:
                contact.theme_id = None if theme == 2 else self.themes[theme]
                session.flush()
                mark_due(session, {contact.local_day})
                known = [contact.customer_id] if contact.customer_id else []
                chain_contacts(session, settings=self.settings, customer_ids=known)
        roll_up_due(self.database.transaction)

    def link(self, one: str, other: str) -> None:
        path = self.directory / "crosswalk.csv"
        # an identifier under two customer ids links nobody, so a third row says who is who
        mail, account = f"{one}@example.org", f"account of {other}"
        path.write_text(
            f"customer_id,email,account\n{one},{mail},\n,{mail},{account}\n{other},,{account}\n"
        )
        link_customers(
            self.database.transaction, settings=self.settings, by=self.actor, crosswalk=path,
            rules=MatchRules(kinds=(IdentifierKind.EMAIL, IdentifierKind.ACCOUNT)),
        )  # fmt: skip

    def part(self, place: int) -> None:
        """Take a link run back; one that others build on is refused."""
        with self.database.reading() as session:
            runs = session.scalars(sa.select(LinkRun.id).order_by(LinkRun.id.desc())).all()
        if place < len(runs):
            undo_link_run(
                self.database.transaction, settings=self.settings, run_id=runs[place],
                by=self.actor,
            )  # fmt: skip

    def erase(self, customer: str) -> None:
        erase_customer(
            self.database.transaction, settings=self.settings, customer_id_text=customer,
            by=self.actor,
        )  # fmt: skip

    def roll_back(self, place: int) -> None:
        if place < len(self.batches):
            batch_id = self.batches[place]
            with self.database.transaction() as session:
                begin_roll_back(session, batch_id=batch_id, by=self.actor)
            roll_back_import(
                self.database.transaction, settings=self.settings, batch_id=batch_id,
                by=self.actor,
            )  # fmt: skip

    def picture(self) -> tuple[dict, dict, dict]:
        """Links by contact, the slices, and the roll-up of all dimensions."""
        with self.database.reading() as session:
            links = {
                link.contact_id: (
                    link.local_day, link.previous_gap_seconds, link.next_gap_seconds,
                    link.previous_same_gap_seconds, link.next_same_gap_seconds, link.chain_id,
                    link.chain_position,
                )
                for link in session.scalars(sa.select(ContactLink))
            }  # fmt: skip
            names = [c.key for c in DailySlice.__table__.c]
            slices = {
                (row.day, row.kind, row.value): {n: getattr(row, n) for n in names[3:]}
                for row in session.scalars(sa.select(DailySlice))
            }
            keys = ("day", "theme_id", "channel", "queue", "disposition", "team", "language")
            rollups = {
                tuple(getattr(row, name) for name in keys): {n: getattr(row, n) for n in names[3:]}
                for row in session.scalars(sa.select(DailyRollup))
            }
            assert len(rollups) == session.scalar(sa.select(sa.func.count(DailyRollup.id)))
            assert not session.scalars(sa.select(DueDay)).all(), "a day was left due"
        return links, slices, rollups

    def contacts(self) -> list[Contact]:
        with self.database.reading() as session:
            return list(session.scalars(sa.select(Contact)))


def gap(earlier: Contact, later: Contact) -> int:
    return int((later.started_at - earlier.started_at).total_seconds())


def day_of(contact: Contact, zone: ZoneInfo) -> date:
    """The reporting day, from the instant and not from what was stored."""
    return contact.started_at.astimezone(zone).date()


def cases_of(own: list[Contact]) -> dict[str, set[str]]:
    """Ids of a customer's contacts and of what they follow, each with all of its case."""
    cases = {name: {name} for c in own for name in (c.source_contact_id, c.follows_contact_id)}
    for c in own:
        if c.follows_contact_id:
            joined = cases[c.source_contact_id] | cases[c.follows_contact_id]
            cases |= dict.fromkeys(joined, joined)
    return cases


def by_hand(contacts: list[Contact], zone: ZoneInfo) -> tuple[dict, dict, dict]:
    links: dict[int, tuple] = {}
    for contact in contacts:
        if contact.customer_id is None:
            continue
        own = sorted(
            (c for c in contacts if c.customer_id == contact.customer_id),
            key=lambda c: (c.started_at, c.source, c.source_contact_id),
        )
        case = cases_of(own)[contact.source_contact_id]
        same = [
            c
            for c in own
            if (contact.theme_id and c.theme_id == contact.theme_id) or c.source_contact_id in case
        ]
        chain = [own[0]]
        for before, here in pairwise(own):
            chain = [*chain, here] if gap(before, here) <= 7 * DAY else [here]
            if here is contact:
                break
        chain = [own[0]] if own[0] is contact else chain
        links[contact.id] = (
            day_of(contact, zone),
            *around(contact, own),
            *around(contact, same),
            chain[0].id,
            len(chain),
        )
    slices: dict[tuple, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    rollups: dict[tuple, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for c in contacts:
        day, theme = day_of(c, zone), str(c.theme_id or "")
        for kind, value in (("all", ""), ("theme", theme), ("channel", c.channel)):
            count(slices[(day, kind, value)], c, links.get(c.id))
        labels = (c.channel, c.queue, c.disposition, c.team, c.language)
        count(rollups[(day, c.theme_id, *labels)], c, links.get(c.id))
    return links, slices, rollups


def around(contact: Contact, group: list[Contact]) -> tuple[int | None, int | None]:
    if contact not in group:
        return None, None
    place = group.index(contact)
    return (
        gap(group[place - 1], contact) if place else None,
        gap(contact, group[place + 1]) if place + 1 < len(group) else None,
    )


def count(figures: dict[str, int], contact: Contact, link: tuple | None) -> None:
    figures["contacts"] += 1
    figures["handled"] += contact.handle_seconds is not None
    figures["handle_seconds"] += contact.handle_seconds or 0
    if link is None:
        return
    figures["identified"] += 1
    figures["themed"] += contact.theme_id is not None
    for basis, before, after in (("any", *link[1:3]), ("same", *link[3:5])):
        for window in WINDOWS:
            opens = before is None or before > window.seconds
            followed = after is not None and after <= window.seconds
            figures[f"{basis}_{window.key}"] += followed
            figures[f"opening_{basis}_{window.key}"] += opens
            figures[f"resolved_{basis}_{window.key}"] += opens and not followed
            if basis == "any":
                seconds = 0 if opens else contact.handle_seconds or 0
                figures[f"beyond_seconds_{window.key}"] += seconds


@pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SAWarning")
def test_kept_up_to_date_worked_out_afresh_and_counted_by_hand_agree(
    database, settings, actor, tmp_path: Path
) -> None:
    site = Site(database, settings, actor, tmp_path)
    zone = ZoneInfo(settings.reporting_zone)

    @example(LINKED)
    @example(PARTED)
    @example([("import", TWO_DAYS), ("erase", "ann")])
    @example([("import", TWO_DAYS[1:]), ("import", TWO_DAYS[:1]), ("roll back", 1)])
    @given(st.lists(steps, min_size=1, max_size=7))
    @thorough
    def check(taken) -> None:
        site.begin()
        for step in taken:
            with suppress(NotFound, Conflict):  # nobody of that name yet, or taken out before
                site.take(step)
        kept_links, kept_slices, kept_rollups = site.picture()
        links, slices, rollups = by_hand(site.contacts(), zone)
        assert kept_links == links
        for kept, expected in ((kept_slices, slices), (kept_rollups, rollups)):
            for key, figures in expected.items():
                found = {name: kept[key][name] for name in figures}
                assert found == dict(figures), key
        assert {k for k in kept_slices if k[1] in ("all", "theme", "channel")} == set(slices)
        assert set(kept_rollups) == set(rollups)
        with database.transaction() as session:
            session.execute(sa.delete(ContactLink))
            chain_contacts(session, settings=site.settings, customer_ids=None)
            roll_up_days(session, days=None)
        assert site.picture() == (kept_links, kept_slices, kept_rollups)

    check()
