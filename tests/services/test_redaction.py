"""The site's own redaction rules reach what an import stores, and so does the language."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from closedloop.adapters.mapping import Mapping
from closedloop.adapters.types import FileFacts, ParsedContact, Reject
from closedloop.domain.errors import Invalid
from closedloop.models import Contact, ContactText, ImportReject
from closedloop.services.contact_rows import RowCleaner
from closedloop.services.redaction import describe_redaction, site_redactor
from tests.privacy_sites import START, PrivacySite, row

RULES = """
[allow]
values = ["help@northbank.example"]
[extra]
order = 'ORD-\\d{6}'
"""


@pytest.fixture
def site(database, settings, actor) -> PrivacySite:
    return PrivacySite(database, settings, actor)


def texts(site: PrivacySite) -> list[str]:
    turns = site.read(sa.select(ContactText.turns).order_by(ContactText.contact_id))
    return [said[0][1] for said in turns]


def test_the_rules_of_the_instance_are_used_as_soon_as_they_are_there(site) -> None:
    said = "Order ORD-123456 failed, I wrote to help@northbank.example and bob@example.org"
    site.take_in([row("a", text=said)])
    (site.settings.instance / "redaction.toml").write_text(RULES)
    site.take_in([row("b", text=said)])
    before, after = texts(site)
    assert "ORD-123456" in before
    assert "help@" not in before
    assert "[ORDER]" in after
    assert "help@northbank.example" in after
    assert "bob@" not in after


def test_a_file_imported_again_under_other_rules_is_unchanged(site) -> None:
    rows = [row("a", text="Order ORD-123456 failed"), row("b", text="Call 07700 900123")]
    site.take_in(rows)
    (site.settings.instance / "redaction.toml").write_text(RULES)
    batch = site.take_in(rows)
    assert (batch.added, batch.unchanged, batch.changed) == (0, 2, 0)


def test_rules_that_cannot_be_used_stop_the_import_with_the_name_of_the_file(site) -> None:
    (site.settings.instance / "redaction.toml").write_text("[extra]\norder = '(a+)+'\n")
    with pytest.raises(Invalid, match=r"redaction\.toml: The pattern of order"):
        site.take_in([row("a")])
    assert site.count(Contact) == 0
    is_usable, found = describe_redaction(site.settings)
    assert not is_usable
    assert "redaction.toml" in found


def test_a_rules_file_that_is_gone_is_said(site) -> None:
    settings = dataclasses.replace(site.settings, redaction_rules="/nowhere/rules.toml")
    with pytest.raises(Invalid, match="cannot be opened"):
        site_redactor(settings)


def test_the_same_person_is_the_same_token_all_through_a_contact(site) -> None:
    cleaner = RowCleaner(
        site.settings, FileFacts("csv", "utf-8", ",", False, [], [], []), Mapping({})
    )
    turns = (
        ("customer", "I am ann@example.org, my husband is bob@example.org"),
        ("agent", "So bob@example.org ordered it?"),
        ("customer", "Yes, not ann@example.org"),
    )
    clean = cleaner.clean(ParsedContact(1, "a", START, "cust-1", turns=turns))
    assert [text for _, text in clean.turns] == [
        "I am [EMAIL], my husband is [EMAIL 2]",
        "So [EMAIL 2] ordered it?",
        "Yes, not [EMAIL]",
    ]


def test_the_language_is_told_from_what_the_customer_said_unless_the_source_says_it(site) -> None:
    german = "Meine Karte ist immer noch nicht angekommen, bitte helfen Sie mir"
    site.take_in([row("a", text=german), row("b", text="My card has not arrived yet, please help")])
    site.take_in([row("c", text="ok")], source="short")
    found = site.read(sa.select(Contact.language).order_by(Contact.id))
    assert found == ["de", "en", ""]
    cleaner = RowCleaner(
        site.settings, FileFacts("csv", "utf-8", ",", False, [], [], []), Mapping({})
    )
    said = ParsedContact(1, "a", START, "k", language="lt", turns=(("customer", german),))
    assert cleaner.clean(said).language == "lt"


def test_a_refused_row_is_kept_without_its_other_identifiers(site) -> None:
    mapping = Mapping(
        {"contact_id": "id", "started_at": "at", "text": "said"}, identifiers={"account": "acct"}
    )
    facts = FileFacts("csv", "utf-8", ",", False, ["id", "at", "said", "acct"], [], [])
    raw = '{"id": "1", "at": "never", "said": "I am ACC-77 X", "acct": "ACC-77 X"}'
    found = RowCleaner(site.settings, facts, mapping).clean_reject(
        Reject(2, "no_time", "at", "Line 2: no time", raw)
    )
    assert "ACC-77" not in found.raw
    sound = RowCleaner(site.settings, facts, mapping).clean(
        ParsedContact(3, "2", START, identifiers=(("account", "acc-77x"),))
    )
    assert found.customer_key == sound.customer_key


def test_a_broken_record_of_a_vendor_is_not_kept_where_its_customer_cannot_be_told(site) -> None:
    mapping = Mapping(
        {"contact_id": "contact_id", "started_at": "at", "customer_id": "customer_id"}
    )
    facts = FileFacts("zendesk", "utf-8", "", False, ["contact_id"], [], [])
    raw = '{"ticket": 7, "requester_id": 778899, "created_at": '
    found = RowCleaner(site.settings, facts, mapping).clean_reject(
        Reject(2, "broken_row", None, "Ticket 7 breaks off.", raw)
    )
    assert "778899" not in found.raw
    assert found.reason == "Ticket 7 breaks off."
    assert site.count(ImportReject) == 0
