"""Linking customers: one person over several channels is one chain, and can be parted again."""

from __future__ import annotations

import csv
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts, ParsedContact, Reject
from closedloop.config import Settings
from closedloop.domain.audit import Actor
from closedloop.domain.contacts import SessionGaps
from closedloop.domain.errors import Conflict, Invalid, Unreadable
from closedloop.domain.identities import IdentifierKind, MatchRules
from closedloop.extensions import Database
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    Customer,
    CustomerKey,
    DailySlice,
    ImportBatch,
    LinkRun,
)
from closedloop.services.cleaning import Stretch
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.identifiers import hash_customer, normalise_identifier
from closedloop.services.identities import link_again, link_customers, read_rules, undo_link_run
from closedloop.services.intake import store_stretch
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_due

START = datetime(2026, 3, 2, 10, tzinfo=UTC)
EVERY_KIND = MatchRules(tuple(IdentifierKind))
FACTS = FileFacts("csv", "utf-8", ",", False, [], [], [])


class Site:
    """Takes contacts in row by row, and links them."""

    def __init__(self, database: Database, settings: Settings, actor: Actor, tmp_path: Path):
        self.database, self.settings, self.actor, self.path = database, settings, actor, tmp_path
        self.n = 0

    def take_in(self, *rows: tuple, source: str = "crm") -> None:
        """Add (hours, customer id, identifiers) as contacts of a source."""
        contacts = []
        for hours, customer, *identifiers in rows:
            self.n += 1
            contacts.append(
                ParsedContact(
                    self.n,
                    f"c{self.n}",
                    START + timedelta(hours=hours),
                    customer,
                    channel="phone",
                    identifiers=tuple(identifiers[0].items()) if identifiers else (),
                )
            )
        cleaner = RowCleaner(self.settings, FACTS, Mapping({}))
        with self.database.transaction() as session:
            batch = ImportBatch(
                source=source, file_name="f", file_sha256="0" * 64, mapping={}, started_by="Test"
            )
            session.add(batch)
            session.flush()
            store_stretch(
                session,
                settings=self.settings,
                batch_id=batch.id,
                gaps=SessionGaps(),
                stretch=Stretch(cleaner.clean_all(contacts), n_read=len(contacts)),
            )
        roll_up_due(self.database.transaction)

    def link(self, rules: MatchRules = EVERY_KIND, crosswalk: list[dict] = (), **values):
        """Link, with a crosswalk of rows where one is given."""
        path = None
        if crosswalk:
            path = self.path / "crosswalk.csv"
            names = sorted({name for row in crosswalk for name in row})
            with path.open("w", newline="") as stream:
                writer = csv.DictWriter(stream, names)
                writer.writeheader()
                writer.writerows(crosswalk)
        report, run_id = link_customers(
            self.database.transaction,
            settings=self.settings,
            rules=rules,
            crosswalk=path,
            file_name="rules.toml",
            by=self.actor,
            **values,
        )
        return report, run_id

    def chains(self) -> list[list[str]]:
        """Return the episodes as lists of contact ids."""
        with self.database.reading() as session:
            rows = session.execute(
                sa.select(ContactLink.chain_id, Contact.source_contact_id)
                .join(Contact, Contact.id == ContactLink.contact_id)
                .order_by(ContactLink.chain_id, ContactLink.chain_position)
            )
            chains: dict[int, list[str]] = {}
            for chain, contact in rows:
                chains.setdefault(chain, []).append(contact)
        return list(chains.values())

    def read(self, statement) -> list:
        with self.database.reading() as session:
            return list(session.scalars(statement))

    def picture(self) -> tuple:
        """Everything linking could change, ids included."""
        with self.database.reading() as session:
            return tuple(
                session.execute(statement).all()
                for statement in (
                    sa.select(
                        Contact.source_contact_id, Contact.customer_id, Contact.own_customer_id
                    ).order_by(Contact.id),
                    sa.select(*ContactLink.__table__.c).order_by(ContactLink.contact_id),
                    sa.select(*DailySlice.__table__.c).order_by(
                        DailySlice.day, DailySlice.kind, DailySlice.value
                    ),
                    sa.select(Customer.id, Customer.key_hash, Customer.merged_into_id).order_by(
                        Customer.id
                    ),
                )
            )


@pytest.fixture
def site(database, settings, actor, tmp_path) -> Site:
    (settings.instance).mkdir(exist_ok=True)
    return Site(database, dataclasses.replace(settings, phone_countries="GB,DE"), actor, tmp_path)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("07911 123456", "phone", "+447911123456"),
        ("+44 (0)7911 123456", "phone", "+447911123456"),
        ("00447911123456", "phone", "+447911123456"),
        ("tel:+447911123456", "phone", "+447911123456"),
        ("030 901820", "phone", "+4930901820"),
        ("12", "phone", None),
        ("anonymous", "phone", None),
        (" Ann.Smith+Shop@Example.ORG ", "email", "ann.smith+shop@example.org"),
        ("Ann <ann@example.org>", "email", "ann@example.org"),
        ("ann", "email", None),
        ("AB 12-34 X", "account", "ab1234x"),
        ("n/a", "account", None),
        (" As It Is ", None, "As It Is"),
        ("sip:anonymous@anonymous.invalid", None, None),
        ("tel:Restricted", None, None),
        ("anonymous@localhost", "phone", None),
        ("Private Number", None, None),
        ("+266696687", None, None),
        ("0000000000", None, None),
        ("0", "account", None),
        ("-1", None, None),
        ("#N/A", None, None),
        ("sip:Anonymous@10.0.0.7", None, None),
        ("anonymous@example.org", None, "anonymous@example.org"),
        ("private@example.org", "email", "private@example.org"),
        ("100", None, "100"),
    ],
)
def test_identifiers_are_written_in_one_way(value, kind, expected) -> None:
    kind = IdentifierKind(kind) if kind else None
    assert normalise_identifier(value, kind, ("GB", "DE")) == expected


def test_a_national_number_needs_a_country() -> None:
    assert normalise_identifier("07911 123456", IdentifierKind.PHONE) is None


def test_each_key_goes_on_top_of_the_ones_before() -> None:
    old, new = "k" * 32, "n" * 32
    assert hash_customer("c1", [old]) == hash_customer("c1", old)
    assert hash_customer("c1", [old, new]) == hash_customer(hash_customer("c1", old), new)


def test_an_account_number_is_not_the_customer_id_that_looks_like_it() -> None:
    assert hash_customer("12", "k" * 32, IdentifierKind.ACCOUNT) != hash_customer("12", "k" * 32)


def test_a_call_and_an_e_mail_of_one_person_become_one_chain(site) -> None:
    site.take_in((0, "+447911123456"), source="telephony")
    site.take_in((30, "ann@example.org"), source="mail")
    assert site.chains() == [["c1"], ["c2"]]

    report, _ = site.link(crosswalk=[{"phone": "07911 123456", "email": "Ann@Example.org"}])

    assert site.chains() == [["c1", "c2"]]
    assert (report.customers_before, report.customers_after, report.contacts_moved) == (2, 1, 1)
    (gap,) = site.read(
        sa.select(ContactLink.previous_gap_seconds).where(ContactLink.chain_position == 2)
    )
    assert gap == 30 * 3600
    (repeats,) = site.read(sa.select(sa.func.sum(DailySlice.any_72h)).filter_by(kind="all"))
    assert repeats == 1


def test_a_later_contact_finds_the_linked_customer_by_any_of_its_identifiers(site) -> None:
    site.take_in((0, "+447911123456"))
    site.take_in((30, "ann@example.org"))
    site.link(
        crosswalk=[{"phone": "07911 123456", "email": "ann@example.org", "account": "ACC-77"}]
    )
    site.take_in((40, "ann@example.org"), (50, None, {"account": "acc 77"}), (60, "somebody"))
    assert site.chains() == [["c1", "c2", "c3", "c4"], ["c5"]]


def test_linking_twice_changes_nothing_and_the_oldest_customer_survives(site) -> None:
    site.take_in((0, "b"), (5, "a"), (9, "c"))
    rows = [{"customer_id": "c", "account": "1"}, {"customer_id": "b", "account": "2"}]
    rows += [{"customer_id": "a", "email": "x@example.org"}]
    seen = {"account": "1", "email": "x@example.org"}
    site.take_in((10, None, seen))
    first, _ = site.link(crosswalk=rows)
    before = site.picture()
    again, _ = site.link(crosswalk=rows)
    assert first.joined == 2  # c, a and the one known by account 1 are one
    assert (again.joined, again.contacts_moved) == (0, 0)
    assert site.picture() == before


def test_customers_seen_with_the_same_identifier_are_linked_without_a_crosswalk(site) -> None:
    site.take_in((0, "crm-1", {"phone": "07911 123456"}), (3, "shop-9", {"phone": "+447911123456"}))
    report, _ = site.link(MatchRules((IdentifierKind.PHONE,)))
    assert report.joined_by == {"phone": 1}
    assert site.chains() == [["c1", "c2"]]


def test_kinds_that_the_rules_do_not_name_link_nobody(site) -> None:
    site.take_in((0, "crm-1", {"phone": "07911 123456"}), (3, "shop-9", {"phone": "07911 123456"}))
    report, _ = site.link(MatchRules((IdentifierKind.EMAIL,)))
    assert report.joined == 0
    assert site.chains() == [["c1"], ["c2"]]


def test_a_switchboard_number_links_nobody_and_is_reported(site) -> None:
    shared = {"phone": "020 7946 0018"}
    site.take_in(*[(n, f"cust-{n}", shared) for n in range(4)])
    report, _ = site.link()
    assert report.joined == 0
    assert report.shared == {"phone": 1}
    assert "belongs to more than 3 customers" in report.sentences[0]
    assert len(site.chains()) == 4
    # a row that names only the switchboard is nobody of them
    site.take_in((9, None, shared))
    assert len(site.chains()) == 5


def test_an_identifier_under_two_customer_ids_of_the_crosswalk_is_a_conflict(site) -> None:
    site.take_in((0, "a"), (1, "b"))
    rows = [{"customer_id": "a", "phone": "07911 123456"}]
    rows += [{"customer_id": "b", "phone": "07911 123456"}]
    report, _ = site.link(crosswalk=rows)
    assert (report.joined, report.conflicts) == (0, 1)
    assert len(site.chains()) == 2


def test_two_numbers_of_one_customer_id_are_no_conflict(site) -> None:
    site.take_in((0, "+447911123456"), (1, "+447911123457"))
    rows = [{"customer_id": "a", "phone": f"0791112345{n}"} for n in (6, 7)]
    report, _ = site.link(crosswalk=rows)
    assert (report.joined, report.conflicts) == (1, 0)


def test_absurd_groups_are_refused_with_a_sentence(site) -> None:
    chain = [
        (n, f"cust-{n}", {"phone": f"+44791112340{n}", "email": f"p{n + 1}@example.org"})
        for n in range(5)
    ]
    chain = [(h, c, {**i, "account": f"x{h // 2}"}) for h, c, i in chain]
    chain = [(h, c, {**i, "email": f"p{(h + 1) // 2}@example.org"}) for h, c, i in chain]
    site.take_in(*chain)
    report, _ = site.link(dataclasses.replace(EVERY_KIND, max_cluster=4))
    assert (report.joined, report.too_large) == (0, 1)
    assert any("more than 4 customers one" in sentence for sentence in report.sentences)


def test_a_dry_run_counts_and_changes_nothing(site) -> None:
    site.take_in((0, "a", {"phone": "07911 123456"}), (1, "b", {"phone": "07911 123456"}))
    before = site.picture()
    report, run_id = site.link(dry_run=True)
    assert (report.joined, run_id) == (1, None)
    assert site.picture() == before
    assert site.read(sa.select(LinkRun.id)) == []


def test_undoing_a_run_gives_every_contact_back(site) -> None:
    site.take_in((0, "a", {"phone": "07911 123456"}), (1, "b", {"phone": "07911 123456"}))
    site.take_in((2, "c", {"email": "x@example.org"}), (3, "a", {"email": "x@example.org"}))
    with_key = site.read(sa.select(CustomerKey.key_hash))
    before = site.picture()
    _, first = site.link(MatchRules((IdentifierKind.PHONE,)))
    _, second = site.link(crosswalk=[{"email": "x@example.org", "account": "5"}])
    assert site.chains() == [["c1", "c2", "c3", "c4"]]
    undo = {"settings": site.settings, "by": site.actor}
    with pytest.raises(Conflict, match=f"{second} came after"):
        undo_link_run(site.database.transaction, run_id=first, **undo)
    undo_link_run(site.database.transaction, run_id=second, **undo)
    undo_link_run(site.database.transaction, run_id=first, **undo)
    assert site.picture() == before
    assert sorted(site.read(sa.select(CustomerKey.key_hash))) == sorted(with_key)
    with pytest.raises(Conflict, match="undone before"):
        undo_link_run(site.database.transaction, run_id=first, **undo)


def test_a_contact_that_came_after_the_link_goes_back_too(site) -> None:
    site.take_in((0, "a"), (1, "b"))
    rows = [{"customer_id": "a", "account": "1"}, {"customer_id": "a", "email": "x@example.org"}]
    site.take_in((2, None, {"account": "1"}))
    _, run = site.link(crosswalk=rows)
    site.take_in((3, None, {"account": "1"}), (4, None, {"email": "x@example.org"}))
    assert site.chains() == [["c1", "c3", "c4", "c5"], ["c2"]]
    undo_link_run(site.database.transaction, settings=site.settings, run_id=run, by=site.actor)
    assert site.chains() == [["c1"], ["c2"], ["c3", "c4"], ["c5"]]


def test_the_night_links_newcomers_by_the_rules_in_force_and_keeps_no_empty_run(site) -> None:
    def night() -> int:
        return link_again(site.database.transaction, settings=site.settings, by=site.actor)

    shared = {"phone": "07911 123456"}
    site.take_in((0, "a", shared), (1, "b", shared))
    assert night() == 0  # nobody has said yet what links customers
    site.link(MatchRules((IdentifierKind.PHONE,)))
    assert night() == 0
    site.take_in((2, "c", shared))
    assert site.chains() == [["c1", "c2"], ["c3"]]
    assert night() == 1
    assert site.chains() == [["c1", "c2", "c3"]]
    assert site.read(sa.select(sa.func.count(LinkRun.id))) == [2]
    undo = {"settings": site.settings, "by": site.actor}
    for number in site.read(sa.select(LinkRun.id).order_by(LinkRun.id.desc())):
        undo_link_run(site.database.transaction, run_id=number, **undo)
    assert night() == 0
    assert site.chains() == [["c1"], ["c2"], ["c3"]]


def test_links_and_chains_from_scratch_agree(site) -> None:
    site.take_in(
        *[(n * 20, f"cust-{n % 7}", {"phone": f"+4479111234{n % 3:02}"}) for n in range(30)]
    )
    site.link()
    kept = site.picture()
    with site.database.transaction() as session:
        chain_contacts(session, settings=site.settings, customer_ids=None)
    assert site.picture() == kept


def test_ids_that_are_blank_or_unknown_stay_unidentified(site) -> None:
    site.take_in(
        (0, None, {"phone": "anonymous"}), (1, None, {"phone": ""}), (2, None, {"email": "unknown"})
    )
    assert site.read(sa.select(sa.func.count(Customer.id))) == [0]
    assert site.chains() == []
    (unidentified,) = site.read(sa.select(ImportBatch.unidentified))
    assert unidentified == 3


@pytest.mark.parametrize("nobody", ["anonymous", "Withheld", " private", "?", "blocked"])
def test_what_stands_for_nobody_is_no_customer_and_a_word_like_any_other(site, nobody) -> None:
    mapping = Mapping({"contact_id": "id", "started_at": "at", "customer_id": "who"})
    cleaner = RowCleaner(site.settings, FACTS, mapping)
    said = (("customer", f"Why is it {nobody.strip()} now?"),)

    clean = cleaner.clean(ParsedContact(1, "c1", START, nobody, turns=said))
    assert (clean.customer_key, clean.turns) == (None, said)
    known = cleaner.clean(ParsedContact(1, "c1", START, nobody, identifiers=(("email", "a@b.de"),)))
    assert known.customer_key == hash_customer("a@b.de", site.settings.customer_key)
    raw = json.dumps({"id": "c1", "at": "soon", "who": nobody})
    refused = cleaner.clean_reject(Reject(1, "bad_time", "at", "Line 1: no time", raw))
    assert refused.customer_key is None


def test_identifiers_are_stored_as_hashes_and_not_in_what_was_said(site) -> None:
    cleaner = RowCleaner(site.settings, FACTS, Mapping({}))
    row = ParsedContact(
        1, "c1", START, "cust-1", turns=(("customer", "I am AC-12345, hello"),),
        identifiers=(("account", "AC-12345"),),
    )  # fmt: skip
    clean = cleaner.clean(row)
    assert "12345" not in repr(clean)
    assert clean.identifiers == (
        ("account", hash_customer("ac12345", site.settings.customer_key, IdentifierKind.ACCOUNT)),
    )


def test_the_run_is_put_down_to_somebody_without_identities(site) -> None:
    site.take_in((0, "a", {"phone": "07911 123456"}), (1, "b", {"phone": "07911 123456"}))
    site.link()
    (run,) = site.read(sa.select(LinkRun))
    assert run.report["is_finished"] is True
    assert (run.started_by, run.report["contacts_moved"]) == ("Priya Nair", 1)
    (event,) = site.read(sa.select(AuditEvent).where(AuditEvent.target_kind == "link_run"))
    assert "1 joined to another, 1 contacts moved" in event.summary


def test_rules_that_link_by_nothing_are_refused(site) -> None:
    with pytest.raises(Invalid, match="link by nothing"):
        site.link(MatchRules())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[link]\nfax = true", "fax"),
        ("[link]\nphone = 1", "phone = 1"),
        ("max_customers = 5", r"no table \[link\]"),
        ("max_customers = 0\n[link]\nphone = true", "from 2 to 100"),
        ("colour = 1\n[link]\nphone = true", "colour"),
    ],
)
def test_rules_that_make_no_sense_say_where(text, words, tmp_path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text)
    with pytest.raises(Invalid, match=words):
        read_rules(path)


def test_a_crosswalk_without_two_known_columns_is_refused(site) -> None:
    with pytest.raises(Unreadable, match="two columns or more"):
        site.link(crosswalk=[{"name": "x", "phone": "1"}])
