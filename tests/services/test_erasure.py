"""Erasing a customer: nothing of them is left anywhere, and nothing of anybody else goes."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa

from closedloop.domain.errors import Conflict, Invalid, NotFound
from closedloop.domain.identities import IdentifierKind, MatchRules
from closedloop.domain.jobs import JobKind
from closedloop.models import (
    AuditEvent,
    Contact,
    ContactLink,
    ContactText,
    Customer,
    CustomerKey,
    DailySlice,
    DueDay,
    EncodedText,
    ImportBatch,
    ImportReject,
    Job,
    Message,
)
from closedloop.models.imports import BatchState
from closedloop.services import erasure as service
from closedloop.services.contact_files import measure_extent
from closedloop.services.erasure import Erased, erase_customer
from closedloop.services.identifiers import hash_customer
from closedloop.services.identities import link_customers
from closedloop.services.import_holds import hold_import, new_holder
from closedloop.services.repeats import chain_contacts
from closedloop.services.rollups import roll_up_days
from tests.factories.themes import make_theme
from tests.privacy_sites import MAPPING, PrivacySite, row

ZEBRA = "The xylophone zebra ate my cust-778899 parcel."


@pytest.fixture
def site(database, settings, actor) -> PrivacySite:
    return PrivacySite(database, settings, actor)


def erase(site: PrivacySite, text: str, **values) -> Erased:
    return erase_customer(
        site.database.transaction,
        settings=site.settings,
        customer_id_text=text,
        by=site.actor,
        **values,
    )


def test_nothing_of_an_erased_customer_is_left_in_any_table_or_file(site) -> None:
    site.take_in(
        [
            row("a", customer="cust-778899", text=ZEBRA),
            row("b", customer="cust-778899", hours=30, text="Zebra again, quixotic!"),
            row("c", customer="cust-1"),
            row("d", customer="cust-778899", started_at="never", text="zebra rejected"),
        ],
        name="march.csv",
    )
    site.take_in([row("b", customer="cust-778899", text="zebra changed")], name="april.csv")
    messages = dataclasses.replace(MAPPING, session_gap_seconds=3600)
    site.take_in(
        [row(f"m{n}", customer="cust-778899", hours=n / 4, text=f"zebra {n}") for n in range(3)],
        source="chat",
        mapping=messages,
        name="chat.csv",
    )
    waiting = site.upload([row("z", customer="cust-778899")], "waiting.csv")
    site.take_in([row("x", customer="cust-2", hours=50)], source="other", name="other.csv")
    site.encode_all()
    site.database.compact(vacuum=True)
    key = hash_customer("cust-778899", site.settings.customer_key)
    for word in ("cust-778899", "xylophone", "quixotic", "zebra rejected", "zebra changed", key):
        assert word in site.everything(), word

    erased = erase(site, "cust-778899")
    site.database.compact(vacuum=True)

    stored = site.everything()
    for word in ("cust-778899", "xylophone", "quixotic", "zebra", key):
        assert word not in stored, word
    assert (erased.contacts, erased.days, erased.messages, erased.rejects) == (3, 2, 3, 2)
    assert sorted(erased.files) == ["april.csv", "chat.csv", "march.csv", "waiting.csv"]
    assert not waiting.path.exists()
    assert sorted(site.read(sa.select(Contact.source_contact_id))) == ["c", "x"]
    assert site.count(ContactLink) == 2
    assert site.count(Message) == 0


def test_vectors_of_a_conversation_before_it_grew_go_with_its_customer(site) -> None:
    messages = dataclasses.replace(MAPPING, session_gap_seconds=3600)
    site.take_in([row("m1", customer="cust-778899", text="One.")], mapping=messages)
    site.take_in([row("x", customer="cust-2", hours=50, text="Mine.")], name="other.csv")
    site.encode_all()
    later = row("m2", customer="cust-778899", hours=0.25, text="Two.")
    site.take_in([later], mapping=messages, name="later.csv")
    assert site.count(EncodedText) == 2

    erase(site, "cust-778899")

    texts = site.read(sa.select(ContactText.text_hash))
    assert site.read(sa.select(EncodedText.text_hash)) == texts


def test_what_others_said_in_the_same_words_keeps_its_vector(site) -> None:
    site.take_in(
        [row("a", customer="one"), row("b", customer="two"), row("c", customer="one", text="Mine.")]
    )
    site.encode_all()
    erased = erase(site, "one")
    assert (erased.texts, erased.vectors) == (2, 1)
    assert site.read(sa.select(EncodedText.text_hash)) == site.read(
        sa.select(ContactText.text_hash)
    )


def test_the_days_are_added_up_anew_and_agree_with_a_fresh_start(site) -> None:
    site.take_in([row(f"c{n}", customer=f"k{n % 3}", hours=n * 7) for n in range(20)])
    before = site.figures()
    erase(site, "k1")
    after = site.figures()
    assert after != before
    assert site.count(DueDay) == 0
    with site.database.transaction() as session:
        roll_up_days(session, days=None)
    assert site.figures() == after
    (contacts,) = site.read(sa.select(sa.func.sum(DailySlice.contacts)).filter_by(kind="all"))
    assert contacts == 13


def test_one_audit_event_says_how_much_but_not_who(site) -> None:
    site.take_in([row("a", customer="cust-778899")])
    erase(site, "cust-778899")
    (event,) = site.read(sa.select(AuditEvent).filter_by(verb="contacts.customer_erased"))
    assert event.summary.startswith("erased a customer: 1 contacts on 1 days")
    assert event.detail == {"contacts": 1, "days": 1, "rejects": 0, "files": 1}
    assert event.target_id is None


def test_customers_linked_with_the_erased_one_go_too(site) -> None:
    site.take_in(
        [row("a", customer="ann@example.org"), row("b", customer="+447911123456", hours=3)]
    )
    path = site.settings.instance / "crosswalk.csv"
    path.write_text("email,phone,account\nann@example.org,+447911123456,ACC-998877\n")
    link_customers(
        site.database.transaction,
        settings=site.settings,
        rules=MatchRules(tuple(IdentifierKind)),
        crosswalk=path,
        by=site.actor,
    )
    erased = erase(site, "acc 998877", kind=IdentifierKind.ACCOUNT)
    assert (erased.contacts, site.counts()) == (2, (0, 0, 0))


def test_an_identifier_that_several_customers_share_erases_nobody(site) -> None:
    from tests.services.test_identities import Site

    other = Site(site.database, site.settings, site.actor, site.settings.instance)
    phone = {"phone": "+447911123456"}
    other.take_in((0, "a", phone), (1, "b", phone))
    with pytest.raises(Conflict, match="2 customers share"):
        erase(site, "+447911123456", kind=IdentifierKind.PHONE)
    assert site.count(Contact) == 2


def seen_with_one_address(site: PrivacySite) -> None:
    """Take in somebody known by an address alone, and somebody else who was seen with it."""
    from tests.services.test_identities import Site

    other = Site(site.database, site.settings, site.actor, site.settings.instance)
    address = {"email": "u@ex.com"}
    other.take_in((0, "", address), (1, "c9", address))


@pytest.mark.parametrize("kind", [None, IdentifierKind.EMAIL])
def test_the_own_id_of_one_with_which_another_was_seen_erases_nobody(site, kind) -> None:
    seen_with_one_address(site)
    with pytest.raises(Conflict, match=r"2 customers share .* --only-own"):
        erase(site, "u@ex.com", kind=kind)
    assert site.count(Contact) == 2


def test_who_alone_has_it_as_own_id_goes_and_the_others_lose_the_identifier(site) -> None:
    seen_with_one_address(site)
    dry = erase(site, "u@ex.com", kind=IdentifierKind.EMAIL, only_own=True, dry_run=True)
    erased = erase(site, "u@ex.com", kind=IdentifierKind.EMAIL, only_own=True)

    assert dry == erased
    assert (erased.contacts, erased.others, erased.identifiers) == (1, 1, 2)
    assert site.read(sa.select(Contact.source_contact_id)) == ["c2"]
    assert site.count(CustomerKey) == 0
    key = hash_customer("u@ex.com", site.settings.customer_key)
    site.database.compact(vacuum=True)
    assert key not in site.everything()


def test_only_own_still_refuses_where_it_is_nobodys_own_id(site) -> None:
    from tests.services.test_identities import Site

    other = Site(site.database, site.settings, site.actor, site.settings.instance)
    phone = {"phone": "+447911123456"}
    other.take_in((0, "a", phone), (1, "b", phone))
    with pytest.raises(Conflict, match="2 customers share") as refused:
        erase(site, "+447911123456", kind=IdentifierKind.PHONE, only_own=True)
    assert "--only-own" not in refused.value.sentence


def test_a_dry_run_counts_the_same_and_changes_nothing(site) -> None:
    site.take_in([row("a", customer="cust-778899"), row("b")])
    before = site.chains(), site.figures()
    dry = erase(site, "cust-778899", dry_run=True)
    assert site.counts() == (2, 2, 0)
    assert site.count(AuditEvent) == 1
    assert (site.chains(), site.figures()) == before
    assert len(list(site.settings.uploads.glob("*.upload"))) == 1
    assert erase(site, "cust-778899") == dry


def test_somebody_unknown_is_said_to_be_unknown(site) -> None:
    site.take_in([row("a")])
    with pytest.raises(NotFound, match="Nobody is known"):
        erase(site, "cust-404")
    with pytest.raises(Invalid, match="no phone number"):
        erase(site, "cust-404", kind=IdentifierKind.PHONE)


def test_a_customer_known_from_the_quarantine_alone_is_erased(site) -> None:
    site.take_in([row("a", customer="cust-778899", started_at="never", text="zebra"), row("b")])
    erased = erase(site, "cust-778899")
    assert (erased.contacts, erased.rejects) == (0, 1)
    assert site.count(ImportReject) == 0


def test_rows_that_name_somebody_who_cannot_be_told_are_emptied(site) -> None:
    upload = site.upload([row("a", customer="cust-778899")])
    with upload.path.open("a") as stream:
        stream.write("b,2026-03-02T10:00:00Z,ref 55501,cust-778899,phone,,,,a zebra,1,2\n")
    site.import_path(upload.path)
    erased = erase(site, "cust-778899")
    assert erased.emptied == 1
    (kept,) = site.read(sa.select(ImportReject))
    assert "zebra" not in kept.raw
    assert kept.line == 3


def test_erasing_waits_for_an_import_that_is_being_read(site) -> None:
    batch = site.take_in([row("a")])
    with new_holder() as holder:
        with site.database.transaction() as session:
            batch = session.get(ImportBatch, batch.id)
            batch.state = BatchState.RUNNING
            hold_import(batch, holder)
        with pytest.raises(Conflict, match="being read"):
            erase(site, "cust-1")
    assert site.count(Contact) == 1


def test_compressed_uploads_that_nobody_can_look_into_are_named(site) -> None:
    site.take_in([row("a", customer="cust-778899")])
    site.upload([row("b", customer="cust-778899")], "waiting.csv.gz", packed=True)
    assert erase(site, "cust-778899").unsearched == ["waiting.csv.gz"]


def test_files_that_are_no_uploads_are_named_and_left_alone(site) -> None:
    site.take_in([row("a", customer="cust-778899")])
    log = site.settings.instance / "serve.log"
    log.write_text("x" * 1_048_570 + "cust-778899")  # over the end of a block
    assert erase(site, "cust-778899").mentioned == ["serve.log"]
    assert log.exists()


def test_themes_and_decisions_stay_and_jobs_forget_the_id(site, session) -> None:
    site.take_in([row("a", customer="cust-778899"), row("b")])
    theme = make_theme(session)
    session.execute(sa.update(Contact).values(theme_id=theme.id))
    session.add(Job(kind=JobKind.IMPORT_CONTACTS, queued_by="x", arguments={"note": "cust-778899"}))
    session.commit()
    erase(site, "cust-778899")
    assert site.read(sa.select(Job.arguments)) == [{}]
    assert site.read(sa.select(Contact.theme_id)) == [theme.id]
    assert site.count(Customer) == 1


def test_follow_ups_of_others_no_longer_name_the_contact(site, session) -> None:
    site.take_in([row("a", customer="cust-778899"), row("b")])
    session.execute(
        sa.update(Contact).where(Contact.source_contact_id == "b").values(follows_contact_id="a")
    )
    session.commit()
    erase(site, "cust-778899")
    assert site.read(sa.select(Contact.follows_contact_id)) == [""]


def test_a_case_that_only_the_erased_contact_held_together_comes_apart(site, session) -> None:
    site.take_in([row("a", customer="cust-778899"), row("b"), row("c"), row("d")])
    session.execute(
        sa.update(Contact)
        .where(Contact.source_contact_id.in_(["b", "c"]))
        .values(follows_contact_id="a")
    )
    chain_contacts(session, settings=site.settings, customer_ids=None)
    session.commit()
    same = sa.select(sa.func.count(ContactLink.next_same_gap_seconds))
    assert site.read(same) == [1]
    erase(site, "cust-778899")
    assert site.read(same) == [0]
    assert site.read(sa.select(sa.func.sum(DailySlice.same_7d))) == [0]


def test_read_files_of_the_watched_folder_go_and_waiting_ones_are_named(site, tmp_path) -> None:
    site.take_in([row("a", customer="cust-778899")])
    folder = tmp_path / "instance" / "watched"
    for name in ("done/old.csv", "failed/bad.csv", "crm/new.csv", "done/others.csv"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("cust-1" if "others" in name else "cust-778899")
    site.settings = dataclasses.replace(site.settings, watched_folder=str(folder))
    erased = erase(site, "cust-778899")
    assert erased.files == ["done/old.csv", "failed/bad.csv", "contacts.csv"]
    assert erased.mentioned == ["crm/new.csv"]
    left = [str(p.relative_to(folder)) for p in folder.rglob("*.csv")]
    assert sorted(left) == ["crm/new.csv", "done/others.csv"]


def test_a_read_file_that_names_the_customer_otherwise_or_is_packed_goes_too(site) -> None:
    folder = site.settings.instance / "watched"
    site.settings = dataclasses.replace(site.settings, watched_folder=str(folder))
    for name, packed in (("old.csv.gz", True), ("other.csv.gz", True)):
        upload = site.upload([row(name, customer=f"of {name}")], name, packed=packed)
        path = folder / "done" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        upload.path.rename(path)
        site.import_path(path, source=name, name=name)

    erased = erase(site, "of old.csv.gz")

    assert erased.files == ["done/old.csv.gz"]
    assert erased.unsearched == ["done/other.csv.gz"]
    assert [path.name for path in (folder / "done").iterdir()] == ["other.csv.gz"]


def test_a_read_export_of_several_files_goes_whole(site, session) -> None:
    folder = site.settings.instance / "watched"
    site.settings = dataclasses.replace(site.settings, watched_folder=str(folder))
    site.take_in([row("a", customer="cust-778899")])
    bundle = folder / "done" / "March.export"
    bundle.mkdir(parents=True)
    for name in ("a.bin", "b.bin"):
        (bundle / name).write_text(name)
    (folder / "done" / "other.bin").write_text("x")
    session.execute(sa.update(ImportBatch).values(file_sha256=measure_extent(bundle).sha256))
    session.commit()
    wanted = ["done/March.export/a.bin", "done/March.export/b.bin"]
    assert erase(site, "cust-778899", dry_run=True).files[:2] == wanted
    assert erase(site, "cust-778899").files[:2] == wanted
    assert [p.name for p in (folder / "done").rglob("*.bin")] == ["other.bin"]


def test_a_copy_of_the_database_in_the_instance_is_named(site) -> None:
    site.take_in([row("a", customer="cust-778899")])
    key = hash_customer("cust-778899", site.settings.customer_key)
    for name in ("test.sqlite3.bak", "closedloop.sqlite3-2026-03-02"):
        (site.settings.instance / name).write_text(key)
    assert erase(site, "cust-778899").mentioned == [
        "closedloop.sqlite3-2026-03-02",
        "test.sqlite3.bak",
    ]


def test_a_file_that_cannot_be_opened_keeps_nobody_from_being_erased(site, monkeypatch) -> None:
    site.take_in([row("a", customer="cust-778899")])
    (site.settings.instance / "shut.log").write_text("x")

    def mentions(path, wanted):
        if path.name == "shut.log":
            raise PermissionError(13, "Permission denied")
        return False

    monkeypatch.setattr(service, "mentions", mentions)
    assert erase(site, "cust-778899").unsearched == ["shut.log"]
    assert site.count(Contact) == 0


def test_what_a_job_showed_of_a_deleted_upload_is_emptied(site, session) -> None:
    site.take_in([row("a", customer="cust-778899", text="The zebra")])
    (upload,) = site.settings.uploads.glob("*.upload")
    result = {"preview": {"sample": ["The zebra"]}, "added": 1}
    arguments = {"token": upload.stem}
    session.add(
        Job(kind=JobKind.IMPORT_CONTACTS, queued_by="x", arguments=arguments, result=result)
    )
    session.commit()
    erase(site, "cust-778899")
    assert site.read(sa.select(Job.result)) == [{"added": 1}]
